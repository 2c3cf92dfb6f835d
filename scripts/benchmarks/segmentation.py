"""Everything about the segmenter that has a bar."""

from benchmarks.metrics import metrics
from benchmarks.prediction import prediction


def segmentation(repeats: int = 3) -> None:
    """What scoring and segmenting cost.

    Args:
        repeats: of each; medians.
    """
    metrics(repeats)
    prediction(repeats=repeats)
