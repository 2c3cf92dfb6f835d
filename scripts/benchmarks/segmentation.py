"""Everything about the segmenter that has a bar."""

from benchmarks.metrics import metrics


def segmentation(repeats: int = 3) -> None:
    """What scoring costs.

    Args:
        repeats: of each; medians.
    """
    metrics(repeats)
