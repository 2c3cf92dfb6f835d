"""Intensities of MR scans, which have no unit of their own. NumPy alone, as in ``geometry``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 99.5


def scale_to_unit_range(slices: NDArray[Any], percentile: float = PERCENTILE) -> NDArray[np.float32]:
    """Map 0 ... ``percentile`` of the head's intensities to [-1, 1] and clip.

    Args:
        slices: magnitude image of any shape and unit; values below 0 count as 0.
        percentile: of the positive values; what is brighter (fat, vessels, fluid) saturates.

    Returns:
        float32 of the same shape; an all-zero image becomes -1.
    """
    positive = slices[slices > 0].astype(np.float32)
    if positive.size == 0:
        return np.full_like(slices, -1.0, dtype=np.float32)
    rank = max(1, round(positive.size * percentile / 100))
    top = np.partition(positive, rank - 1)[rank - 1]
    scaled: NDArray[np.float32] = np.clip(slices.astype(np.float32) / top, 0, 1) * 2 - 1
    return scaled


def from_unit_range(slices: NDArray[np.floating]) -> NDArray[np.float32]:
    """[-1, 1] -> [0, 1], so that background is 0 as in a magnitude image; float32."""
    magnitude: NDArray[np.float32] = (np.clip(slices, -1, 1).astype(np.float32) + 1) / 2
    return magnitude
