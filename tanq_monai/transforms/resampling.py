"""Resampling as nnU-Net does it: splines in plane, nearest slice out of plane where slices are thick.

Arrays are (C, z, y, x), shapes and spacings (mm) in the order z, y, x.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]
ANISOTROPY_THRESHOLD = 3  # nnU-Net: spacing at least three times the finest is resampled on its own


@dataclass(frozen=True)
class Interpolation:
    """Spline ``order`` in plane, ``order_z`` along a thick axis; ``separate_z`` forces or forbids the two."""

    order: int = 3
    order_z: int = 0
    separate_z: bool | None = None


def resample(
    volume: Array,
    shape: Sequence[int],
    spacing: Sequence[float],
    new_spacing: Sequence[float],
    how: Interpolation,
) -> Array:
    """``volume`` on a grid of ``shape`` over the same extent, in its own floating type.

    Values never leave the range of the input plane (spline overshoot is clipped).

    Args:
        volume: (C, z, y, x).
        shape: of the result, without C.
        spacing: mm per voxel of ``volume``.
        new_spacing: mm per voxel of the result.
        how: orders of the splines.

    References:
        Isensee et al., nnU-Net, Nature Methods 2021; equals
        ``resample_data_or_seg_to_shape`` of nnunetv2 2.8, with ``scipy.ndimage.zoom`` alone.
    """
    if tuple(volume.shape[1:]) == tuple(shape):
        return volume
    axis = thick_axis(spacing, new_spacing, how.separate_z)
    return np.stack([_resample_channel(channel, tuple(shape), axis, how) for channel in volume])


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


def _resample_channel(channel: Array, shape: tuple[int, ...], axis: int | None, how: Interpolation) -> Array:
    if axis is None:
        return _zoom(channel, shape, how.order).astype(channel.dtype)
    plane = tuple(n for i, n in enumerate(shape) if i != axis)
    planes = [_zoom(p, plane, how.order) for p in np.moveaxis(channel, axis, 0)]
    stack = np.stack(planes, axis=axis).astype(float, copy=False)
    if stack.shape[axis] != shape[axis]:
        factors = [new / old for new, old in zip(shape, stack.shape, strict=True)]
        stack = ndimage.zoom(stack, factors, order=how.order_z, mode="nearest", grid_mode=True)
    return stack.astype(channel.dtype)


def _zoom(array: Array, shape: tuple[int, ...], order: int) -> Array:
    if array.shape == shape:
        return array
    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    zoomed: Array = ndimage.zoom(array.astype(float), factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(zoomed, array.min(), array.max()) if order > 1 else zoomed
