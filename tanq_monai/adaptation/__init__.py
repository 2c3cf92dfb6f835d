"""The whole line: from a crossMoDA folder to a self-trained ensemble and its report."""

from tanq_monai.adaptation.line import Adaptation, run_adaptation

__all__ = ["Adaptation", "run_adaptation"]
