"""What :mod:`tanq_monai.segmentation.plan.resampling` does with tensors, with arrays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tanq_monai.segmentation.plan.splines import Interpolation, spline_weights, thick_axis, two_taps

Volume = NDArray[np.float32]


def resample(
    volume: Volume, shape: Sequence[int], spacing: Sequence[float], new_spacing: Sequence[float], how: Interpolation
) -> Volume:
    """``volume`` (z, y, x) on a grid of ``shape`` over the same extent; of the same shape it is ``volume`` itself.

    Args:
        volume: float32.
        shape: of the result.
        spacing: mm per voxel of ``volume``.
        new_spacing: mm per voxel of the result.
        how: orders of the splines, whose overshoot is clipped.
    """
    thick = thick_axis(spacing, new_spacing, how.separate_z)
    plane = tuple(axis for axis in range(3) if axis != thick)
    resized = volume
    for axis in plane:
        resized = _resize_axis(resized, axis, shape[axis], how.order)
    if how.order > 1 and resized is not volume:
        low, high = (extreme(axis=plane, keepdims=True) for extreme in (volume.min, volume.max))
        resized = np.clip(resized, low, high, out=resized)
    return resized if thick is None else _resize_axis(resized, thick, shape[thick], how.order_z)


def _resize_axis(volume: Volume, axis: int, size: int, order: int) -> Volume:
    if volume.shape[axis] == size:
        return volume
    if order == 1:
        below, above, weight = two_taps(volume.shape[axis], size)
        low = volume.take(below, axis)
        return low + (volume.take(above, axis) - low) * weight.reshape([-1 if axis == n else 1 for n in range(3)])
    weights = spline_weights(volume.shape[axis], size, order).astype(np.float32)
    if axis == 2:
        return volume @ weights.T
    return weights @ volume if axis == 1 else np.tensordot(weights, volume, axes=1)
