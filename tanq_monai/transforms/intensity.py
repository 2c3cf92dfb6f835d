"""Intensities of MR scans, which have no unit of their own."""

import torch
from torch import Tensor


def scale_to_unit_range(slices: Tensor, percentile: float = 99.5) -> Tensor:
    """Map 0 ... ``percentile`` of the head's intensities to [-1, 1] and clip.

    Args:
        slices: magnitude image of any shape and unit; values below 0 count as 0.
        percentile: of the positive values; what is brighter (fat, vessels, fluid) saturates.

    Returns:
        float32 of the same shape; an all-zero image becomes -1.
    """
    positive = slices[slices > 0].float()
    if positive.numel() == 0:
        return torch.full_like(slices, -1.0, dtype=torch.float32)
    rank = max(1, round(positive.numel() * percentile / 100))
    top = positive.kthvalue(rank).values  # torch.quantile refuses more than 16 million values
    return (slices.float() / top).clamp(0, 1) * 2 - 1


def to_magnitude(slices: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], so that background is 0 as in a magnitude image."""
    return (slices.float().clamp(-1, 1) + 1) / 2
