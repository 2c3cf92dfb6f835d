"""The connected pieces of a mask: how large they are, and where they lie.

Volumes are (I, J, K), positions are in the axes of the affine (x left-right), mm.
"""

from math import acos, degrees
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]

_LARGEST_TILT = 20.0  # degrees: a head in its coil
_ROUNDING = 1e-3  # mm: spacings of oblique affines are off by less


class Component(NamedTuple):
    """A connected piece: its number in the map of components, mm3, confidence-weighted mm3, and centroid (3,), mm."""

    number: int
    volume: float
    weight: float
    center: Vector


def find_components(
    mask: Mask, confidence: NDArray[np.floating], affine: Vector, join_mm: float = 0.0
) -> tuple[NDArray[np.int32], list[Component]]:
    """Map of components (I, J, K), 0 outside, and what they are.

    Args:
        mask: (I, J, K).
        confidence: of the same shape.
        affine: (4, 4), voxel index to mm.
        join_mm: pieces whose voxels' middles are this near, in mm, are one component.
    """
    ids = np.zeros(mask.shape, np.int32)
    index = np.nonzero(mask)
    if len(index[0]) == 0:
        return ids, []
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in index)
    ids[index] = connected_pieces(_near(mask[box], affine, join_mm / 2))[mask[box]]
    numbers = ids[index]
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    counts = np.bincount(numbers)
    weights = np.bincount(numbers, confidence[index])
    middles = np.stack([np.bincount(numbers, i) for i in index], axis=-1) / np.maximum(counts, 1)[:, None]
    centers = middles @ affine[:3, :3].T + affine[:3, 3]
    return ids, [
        Component(int(n), float(counts[n]) * voxel_mm3, float(weights[n]) * voxel_mm3, centers[n])
        for n in np.flatnonzero(counts)
    ]


def connected_pieces(mask: Mask) -> NDArray[np.int32]:
    """Numbers (I, J, K) of the pieces of a mask, from 1 in the order of their first voxels; 0 outside.

    Faces, edges and corners connect, as in nnU-Net's postprocessing. Every voxel points to one of its piece that comes
    before it, from round to round to an earlier one, until all point to the first.
    """
    padded = np.pad(mask, 1)
    inside = np.flatnonzero(padded)
    number = np.zeros(padded.size, np.int64)
    number[inside] = first = np.arange(len(inside))
    steps = np.asarray(np.ravel_multi_index(np.indices((3, 3, 3)).reshape(3, -1), padded.shape))  # to the neighbours
    pairs = []
    for step in steps[14:] - steps[13]:  # one of each two opposite ones
        ones = first[padded.ravel()[inside + step]]
        pairs.append((ones, number[inside[ones] + step]))
    one, other = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    while (apart := first[one] != first[other]).any():
        one, other = one[apart], other[apart]
        earlier = np.minimum(first[one], first[other])
        for end in (one, other):
            np.minimum.at(first, first[end], earlier)
        while (shorter := first[first] != first).any():
            first[shorter] = first[first[shorter]]
    pieces = np.zeros(padded.shape, np.int32)
    pieces.ravel()[inside] = np.unique(first, return_inverse=True)[1] + 1
    return pieces[1:-1, 1:-1, 1:-1]


def apart(one: Vector, other: Vector) -> float:
    """Distance of two points, mm."""
    return float(np.linalg.norm(one - other))


def tilt(one: Component, other: Component) -> float:
    """Angle of the line through two components to the scanner's left-right axis, degrees."""
    distance = apart(one.center, other.center)
    return degrees(acos(min(abs(float(one.center[0] - other.center[0])) / distance, 1.0))) if distance else 0.0


def are_opposite(one: Component, other: Component) -> bool:
    """Whether two components lie beside each other, left and right, as ears do."""
    return tilt(one, other) <= _LARGEST_TILT


def _near(mask: Mask, affine: Vector, reach: float) -> Mask:
    """Voxels at most ``reach`` mm from the mask."""
    if reach <= 0:
        return mask
    spacing, near = np.linalg.norm(affine[:3, :3], axis=0), np.zeros_like(mask)
    steps = np.minimum((reach + _ROUNDING) // spacing, mask.shape).astype(int)
    padded = np.pad(mask, [(step, step) for step in steps])
    for start in np.ndindex(*(2 * steps + 1)):
        if np.linalg.norm((start - steps) * spacing) <= reach + _ROUNDING:
            near |= padded[tuple(slice(at, at + size) for at, size in zip(start, mask.shape, strict=True))]
    return near
