"""What nnU-Net's resampling is made of: which axis is thick, and the weights of splines. NumPy alone.

Shapes and spacings (mm) in the order z, y, x.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tanq_monai.choices.kinds import Flag, Whole

_REPEATED, _WIDEST = 12, 3  # SciPy's margin; voxels that a spline of order 5 reaches to either side
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
    """(new_size, size): what every old voxel of an axis contributes to every new one.

    Those of SciPy's ``ndimage.zoom`` with ``mode="nearest"`` and ``grid_mode=True``, nnU-Net's: a sum of B-splines that
    meets the old values, of which the outermost is repeated 12 times and then mirrored.
    """
    place = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    if order == 0:
        nearest: NDArray[np.float64] = np.eye(size)[np.floor(place + 0.5).astype(int)]
        return nearest
    if order == 1:
        place = np.clip(place, 0, size - 1)
    repeated = np.pad(np.eye(size), ((_REPEATED, _REPEATED), (0, 0)), mode="edge")
    knots = np.arange(len(repeated), dtype=np.float64)
    mirrored = np.pad(np.eye(len(knots)), ((_WIDEST, _WIDEST), (0, 0)), mode="symmetric")
    values = _b_spline(knots[:, None] - np.arange(-_WIDEST, len(knots) + _WIDEST), order) @ mirrored
    coefficients = np.linalg.solve(values, repeated)
    weights = _b_spline(place[:, None] + _REPEATED - knots, order) @ coefficients
    # Those that fall off to 0: float32 would hold them as denormal numbers, and products take 15 times as long.
    weights[np.abs(weights) < 1e-12] = 0
    return weights


def _b_spline(x: NDArray[np.floating], order: int) -> NDArray[np.float64]:
    """The cardinal B-spline round 0."""
    from_edge = (order + 1) / 2 - np.abs(x)
    terms = [(-1) ** k * math.comb(order + 1, k) * np.maximum(from_edge - k, 0) ** order for k in range(order // 2 + 1)]
    spline: NDArray[np.float64] = np.sum(terms, axis=0) / math.factorial(order)
    return spline


@lru_cache(maxsize=8)
def two_taps(size: int, new_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The rows of ``spline_weights(size, new_size, 1)``: the voxel below, the one above, the weight of the latter."""
    place = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    below = np.floor(place).astype(np.int64)
    return below, np.minimum(below + 1, size - 1), (place - below).astype(np.float32)
