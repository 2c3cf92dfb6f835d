"""The connected pieces of a mask: how large they are, and where they lie.

Volumes are (I, J, K), positions are in the axes of the affine (x left-right), mm.
"""

from math import acos, degrees
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]

_NEIGHBOURS = np.ones((3, 3, 3))  # faces, edges and corners, as nnU-Net's postprocessing
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
    ids[index] = ndimage.label(_near(mask[box], affine, join_mm / 2), _NEIGHBOURS)[0][mask[box]]
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
    distance = ndimage.distance_transform_edt(~mask, sampling=np.linalg.norm(affine[:3, :3], axis=0))
    near: Mask = distance <= reach + _ROUNDING
    return near
