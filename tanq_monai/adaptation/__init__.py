"""The whole line: from a crossMoDA folder to a self-trained ensemble and its report."""

from tanq_monai.adaptation.line import Adaptation, run_adaptation
from tanq_monai.scans.layout import Scans, find_scans

__all__ = ["Adaptation", "Scans", "find_scans", "run_adaptation"]
