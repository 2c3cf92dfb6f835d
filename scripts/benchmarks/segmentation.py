"""Everything about the segmenter that has a bar."""

from collections.abc import Sequence

from benchmarks.metrics import metrics
from benchmarks.prediction import PLANS, prediction


def segmentation(repeats: int = 3, parts: Sequence[str] = ("metrics", *PLANS)) -> None:
    """What scoring and segmenting cost.

    Args:
        repeats: of each; medians.
        parts: what to measure: metrics, 2d, 3d_fullres. In 3D a run takes minutes.
    """
    if "metrics" in parts:
        metrics(repeats)
    configurations = [name for name in PLANS if name in parts]
    if configurations:
        prediction(configurations, repeats=repeats)
