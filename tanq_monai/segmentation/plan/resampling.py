"""Resampling as nnU-Net does it: splines in plane, nearest slice out of plane where slices are thick.

Volumes are (C, z, y, x), shapes and spacings (mm) in the order z, y, x.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tanq_monai.segmentation.plan.splines import Interpolation, spline_weights, thick_axis, two_taps


def resample(
    volume: Tensor,
    shape: Sequence[int],
    spacing: Sequence[float],
    new_spacing: Sequence[float],
    how: Interpolation,
) -> Tensor:
    """``volume`` on a grid of ``shape`` over the same extent, of its own type, on its own device.

    Values never leave the range of the input plane (spline overshoot is clipped).

    Args:
        volume: (C, z, y, x).
        shape: of the result, without C.
        spacing: mm per voxel of ``volume``.
        new_spacing: mm per voxel of the result.
        how: orders of the splines.

    References:
        Isensee et al., nnU-Net, Nature Methods 2021; equals ``resample_data_or_seg_to_shape`` of nnunetv2 2.8. A spline
        is linear in the values and separable, so that every axis is one product with a matrix of SciPy's weights.
    """
    return torch.stack([resample_channel(channel, shape, spacing, new_spacing, how) for channel in volume])


def resample_channel(
    channel: Tensor,
    shape: Sequence[int],
    spacing: Sequence[float],
    new_spacing: Sequence[float],
    how: Interpolation,
) -> Tensor:
    """As :func:`resample`, of one channel (z, y, x); of the same shape it is ``channel`` itself."""
    thick = thick_axis(spacing, new_spacing, how.separate_z)
    plane = [axis for axis in range(3) if axis != thick]
    resized = channel
    for axis in plane:
        resized = _resize_axis(resized, axis, shape[axis], how.order)
    if how.order > 1 and resized is not channel:
        low, high = (extreme(channel, dim=plane, keepdim=True) for extreme in (torch.amin, torch.amax))
        resized = resized.clamp_(low, high)
    return resized if thick is None else _resize_axis(resized, thick, shape[thick], how.order_z)


def _resize_axis(volume: Tensor, axis: int, size: int, order: int) -> Tensor:
    if volume.shape[axis] == size:
        return volume
    if order == 1:
        below, above, weight = (torch.from_numpy(part).to(volume.device) for part in two_taps(volume.shape[axis], size))
        low = volume.index_select(axis, below)
        return low.lerp(
            volume.index_select(axis, above), weight.to(volume).view([-1 if axis == n else 1 for n in range(3)])
        )
    weights = torch.from_numpy(spline_weights(volume.shape[axis], size, order)).to(volume)
    with torch.autocast(volume.device.type, enabled=False):  # float16 would be too coarse for the sum
        if axis == 2:
            return volume @ weights.T
        return weights @ volume if axis == 1 else torch.tensordot(weights, volume, dims=1)
