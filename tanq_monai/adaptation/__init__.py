"""The whole line: from a crossMoDA folder to a self-trained ensemble and its report."""

from tanq_monai.adaptation.line import SEGMENTER, Adaptation, Scans, find_scans, run_adaptation

__all__ = ["SEGMENTER", "Adaptation", "Scans", "find_scans", "run_adaptation"]
