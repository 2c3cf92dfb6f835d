"""Where nnU-Net's sliding windows lie, and how they are weighted. NumPy alone."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Place = tuple[slice | int, ...]


def window_places(shape: Sequence[int], window: Sequence[int], overlap: float) -> list[Place]:
    """Index of every window: evenly spread starts per axis, an integer z for windows of slices."""
    planes: list[list[slice | int]] = [list(range(n)) for n in shape[: len(shape) - len(window)]]
    for size, width in zip(shape[len(shape) - len(window) :], window, strict=True):
        count = math.ceil((size - width) / (width * (1 - overlap))) + 1
        starts = np.round(np.arange(count) * ((size - width) / max(count - 1, 1))).astype(int)
        planes.append([slice(int(s), int(s) + width) for s in starts])
    return list(itertools.product(*planes))


def gaussian_weight(window: Sequence[int]) -> NDArray[np.float32]:
    """A Gaussian of standard deviation window / 8 round voxel window // 2, maximum 10, nowhere 0."""
    peak = np.zeros(window)
    peak[tuple(n // 2 for n in window)] = 1
    weight = gaussian_filter(peak, [n / 8 for n in window], mode="constant")
    # nnU-Net's weights are float16: below that grid they count as its smallest positive number.
    weight = (weight / (weight.max() / 10)).astype(np.float32)
    rounded: NDArray[np.float32] = weight.astype(np.float16).astype(np.float32)
    rounded[rounded == 0] = rounded[rounded > 0].min()
    return rounded


def padding_to(shape: Sequence[int], window: Sequence[int]) -> list[tuple[int, int]]:
    """Voxels that are missing to ``window`` before and after ``shape``, axis by axis."""
    goal = [*shape[: len(shape) - len(window)], *window]
    missing = [max(0, g - n) for g, n in zip(goal, shape, strict=True)]
    return [(m // 2, m - m // 2) for m in missing]
