"""The passes of a normalization over whole feature maps, forward and backward, and what they keep in between.

Axes: B batch, C channels, H x W pixels, N pixels that are dealt with apart from the rest.
Written out because composed operations pass over the maps some fifteen times backward, and ``torch.var_mean`` takes
three to forty times as long on a CPU as what is done here (64 to 256 channels). Of the maps, only the input is kept.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Pixels = tuple[Tensor, Tensor, Tensor]  # sample, row and column of each, int64 (N,)

AT_ONCE = 2**19  # values on a CPU: temporary results of 2 MB stay in its cache and are no new pages of memory


def take_moments(x: Tensor, pixels: Pixels | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of whole slices, in two passes, and the values at some pixels.

    Args:
        x: (B, C, H, W), any memory format.
        pixels: no two the same; None for none.

    Returns:
        (B, C), (B, C), (N, C).
    """
    moments: tuple[Tensor, Tensor, Tensor] = _Moments.apply(x, *(_no_pixels(x) if pixels is None else pixels))
    return moments


def scale_and_shift(
    x: Tensor, scale: Tensor, shift: Tensor, pixels: Pixels | None = None, rewritten: Tensor | None = None
) -> Tensor:
    """``scale x + shift`` everywhere but at ``pixels``, whose values are given.

    Args:
        x: (B, C, H, W), any memory format, which the result has too.
        scale: (B, C).
        shift: (B, C).
        pixels: no two the same; None for none.
        rewritten: values there, (N, C).
    """
    pixels = _no_pixels(x) if pixels is None else pixels
    rewritten = x.new_empty(0, x.shape[1]) if rewritten is None else rewritten
    y: Tensor = _ScaleAndShift.apply(x, scale, shift, rewritten, *pixels)
    return y


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        variance, mean = _var_mean(x)
        ctx.save_for_backward(x, mean, *pixels)
        return mean, variance, _channels_last_view(x)[pixels]

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor, of_values: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, *pixels = ctx.saved_tensors
        count = x.shape[2] * x.shape[3]
        slope = of_variance * (2 / count)
        of_x = torch.addcmul(_as_maps(of_mean / count - slope * mean), x, _as_maps(slope))
        _channels_last_view(of_x)[tuple(pixels)] += of_values
        return of_x, None, None, None


class _ScaleAndShift(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, rewritten: Tensor, *pixels: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale, *pixels)
        y = torch.addcmul(_as_maps(shift), x, _as_maps(scale))
        _channels_last_view(y)[pixels] = rewritten
        return y

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, *pixels = ctx.saved_tensors
        place = tuple(pixels)
        of_rewritten = _channels_last_view(of_y)[place]
        of_x = of_y * _as_maps(scale)
        _channels_last_view(of_x)[place] = 0
        of_scale = _sum_over_pixels(torch.mul, of_y, x)
        of_scale.index_add_(0, pixels[0], of_rewritten * _channels_last_view(x)[place], alpha=-1)
        of_shift = of_y.sum(dim=(2, 3)).index_add_(0, pixels[0], of_rewritten, alpha=-1)
        return of_x, of_scale, of_shift, of_rewritten, None, None, None


def _var_mean(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.device.type != "cpu" or torch.compiler.is_exporting():
        return torch.var_mean(x, dim=(2, 3), correction=0)
    mean = x.mean(dim=(2, 3))
    squares = _sum_over_pixels(lambda part: (part - _as_maps(mean)).square_(), x)
    return squares / (x.shape[2] * x.shape[3]), mean


def _sum_over_pixels(function: Callable[..., Tensor], *maps: Tensor) -> Tensor:
    """Of ``function(*maps)``, which is evaluated a few rows at a time on a CPU; (B, C)."""
    first = maps[0]
    rows = max(1, AT_ONCE // first[:, :, 0].numel()) if first.device.type == "cpu" else first.shape[2]
    parts = zip(*(torch.split(m, rows, dim=2) for m in maps), strict=True)  # type: ignore[no-untyped-call]
    return torch.stack([function(*part).sum(dim=(2, 3)) for part in parts]).sum(dim=0)


def _channels_last_view(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _as_maps(values: Tensor) -> Tensor:
    return values[..., None, None]


def _no_pixels(x: Tensor) -> Pixels:
    none = torch.empty(0, dtype=torch.long, device=x.device)
    return none, none, none
