"""Where nnU-Net's sliding windows lie, and how they are weighted. NumPy alone."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

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
    deviations = np.meshgrid(*((np.arange(n) - n // 2) / (n / 8) for n in window), indexing="ij")
    weight = 10 * np.exp(-np.square(deviations).sum(axis=0) / 2)
    # nnU-Net's weights are float16: below that grid they count as its smallest positive number.
    rounded: NDArray[np.float32] = weight.astype(np.float32).astype(np.float16).astype(np.float32)
    rounded[rounded == 0] = rounded[rounded > 0].min()
    return rounded


def summed_weights(shape: Sequence[int], weight: NDArray[np.float32], overlap: float) -> Iterator[NDArray[np.float32]]:
    """Plane by plane along z, so that no volume of it is held: the sum (y, x) of the weights of all windows.

    Args:
        shape: of the volume, (z, y, x).
        weight: of a window, (z, y, x); or (y, x) for windows of slices.
        overlap: of neighbouring windows.
    """
    places = window_places(shape[len(shape) - weight.ndim :], weight.shape, overlap)
    for z in range(shape[0]):
        if z == 0 or weight.ndim == 3:
            plane = np.zeros(tuple(shape[1:]), dtype=np.float32)
            for place, part in _parts_in_plane(z, places, weight):
                plane[place] += part
        yield plane


def _parts_in_plane(
    z: int, places: Sequence[Place], weight: NDArray[np.float32]
) -> Iterator[tuple[Place, NDArray[np.float32]]]:
    for place in places:
        if weight.ndim == 2:
            yield place, weight
        elif isinstance(place[0], slice) and place[0].start <= z < place[0].stop:
            yield place[1:], weight[z - place[0].start]


def padding_to(shape: Sequence[int], window: Sequence[int]) -> list[tuple[int, int]]:
    """Voxels that are missing to ``window`` before and after ``shape``, axis by axis."""
    goal = [*shape[: len(shape) - len(window)], *window]
    missing = [max(0, g - n) for g, n in zip(goal, shape, strict=True)]
    return [(m // 2, m - m // 2) for m in missing]
