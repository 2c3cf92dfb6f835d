"""The whole line: from a crossMoDA folder to a self-trained ensemble and its report."""

from tanq_monai.adaptation.line import SEGMENTER, Adaptation, run_adaptation
from tanq_monai.scans.layout import Scans, find_scans

__all__ = ["SEGMENTER", "Adaptation", "Scans", "find_scans", "run_adaptation"]
