"""What nnU-Net's resampling is made of: which axis is thick, and the weights of splines. NumPy alone.

Shapes and spacings (mm) in the order z, y, x.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tanq_monai.choices.kinds import Flag, Whole

ANISOTROPY_THRESHOLD = 3  # nnU-Net: spacing at least three times the finest is resampled on its own


@dataclass(frozen=True)
class Interpolation:
    """Spline ``order`` in plane, ``order_z`` along a thick axis; ``separate_z`` forces or forbids the two."""

    order: int = 3
    order_z: int = 0
    separate_z: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what is no spline.

        Raises:
            Misfit: for orders that are none.
        """
        for order in (self.order, self.order_z):
            Whole(0, 5).parse(order)
        if self.separate_z is not None:
            Flag().parse(self.separate_z)


def thick_axis(spacing: Sequence[float], new_spacing: Sequence[float], separate_z: bool | None = None) -> int | None:
    """The one axis that is resampled on its own, or None; the old spacing decides first, then the new."""
    if separate_z is False:
        return None
    candidates = [spacing] if separate_z else [s for s in (spacing, new_spacing) if _is_anisotropic(s)]
    if not candidates:
        return None
    coarsest = np.flatnonzero(max(candidates[0]) / np.array(candidates[0]) == 1)
    return int(coarsest[0]) if len(coarsest) == 1 else None


def _is_anisotropic(spacing: Sequence[float]) -> bool:
    return max(spacing) / min(spacing) > ANISOTROPY_THRESHOLD


@lru_cache(maxsize=8)
def spline_weights(size: int, new_size: int, order: int) -> NDArray[np.float64]:
    """(new_size, size): what every old voxel of an axis contributes to every new one."""
    from scipy.ndimage import zoom  # as long to import as all else of the runtime together

    units = np.eye(size)
    zoomed = [zoom(u, new_size / size, order=order, mode="nearest", grid_mode=True) for u in units]
    weights = np.stack(zoomed, axis=1)
    weights[np.abs(weights) < 1e-12] = (
        0  # float32 would hold them as denormal numbers, and products take 15 times as long
    )
    return weights


@lru_cache(maxsize=8)
def two_taps(size: int, new_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The rows of ``spline_weights(size, new_size, 1)``: the voxel below, the one above, the weight of the latter."""
    place = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    below = np.floor(place).astype(np.int64)
    return below, np.minimum(below + 1, size - 1), (place - below).astype(np.float32)
