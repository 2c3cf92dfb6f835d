"""The whole line: from a crossMoDA folder to a self-trained ensemble and its report."""

from tanq_monai.adaptation.line import Adaptation, Scans, find_scans, run_adaptation

__all__ = ["Adaptation", "Scans", "find_scans", "run_adaptation"]
