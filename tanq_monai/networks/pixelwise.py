"""Normalization of whole feature maps, and what follows it, in as few passes over memory as there can be.

Axes: B batch, C channels, H x W pixels, N pixels that are dealt with apart from the rest.
Written out because composed operations pass over the maps some thirty times, forward and backward, and every new map
costs twice as much again in new pages of memory. On a CPU a few rows go through all that there is to do with them while
they are in its cache, in float32 whatever the type of the maps. Of the maps only the input is kept for the way back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tanq_monai.networks.bands import (
    as_maps,
    at_once,
    bands,
    mirror_margin,
    take_moments,
    unfold_margin,
    wide_type,
    widened,
)

Pixels = tuple[Tensor, Tensor, Tensor]  # sample, row and column of each, int64 (N,)
Coefficients = Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """How a map is normalised, and what is done to the result in the same pass.

    Attributes:
        coefficients: (mean (B, C), biased variance (B, C), values at ``pixels`` (N, C), parameters ...) -> scale (B,
            C), shift (B, C), new values at ``pixels`` (N, C); differentiable, at least float32.
        pixels: that get values of their own, no two the same; None for none.
        slope: of values below 0; 1 keeps them, 0 is ReLU.
        margin: pixels round the result that mirror it, for a convolution.
    """

    coefficients: Coefficients
    pixels: Pixels | None = None
    slope: float = 1.0
    margin: int = 0

    @cached_property
    def rows(self) -> range:
        """From the first to the last row that holds one of the pixels."""
        row = None if self.pixels is None else self.pixels[1]
        return range(0) if row is None or not len(row) else range(int(row.min()), int(row.max()) + 1)


def normalize(x: Tensor, recipe: Recipe, parameters: Sequence[Tensor] = (), added: Tensor | None = None) -> Tensor:
    """``scale x + shift`` everywhere but at the pixels that get values of their own, then slope and margin.

    Args:
        x: (B, C, H, W), any memory format, which the result has too. Its statistics are those of whole slices.
        recipe: what decides about scale, shift and the rest.
        parameters: what else the coefficients are made of.
        added: to the result, where it has no margin.

    Returns:
        (B, C, H + 2 margin, W + 2 margin) of x's type.
    """
    with torch.autocast(x.device.type, enabled=False):
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, added, *parameters)):
            y: Tensor = _Normalize.apply(recipe, x, added, *parameters)
            return y
        statistics = (*take_moments(x), _values(x, recipe.pixels))
        return _result(x, recipe.coefficients(*statistics, *parameters), recipe, added)


def rectify(x: Tensor, slope: float, margin: int = 0) -> Tensor:
    """Slope and margin alone: (B, C, H, W) -> (B, C, H + 2 margin, W + 2 margin)."""
    y: Tensor = _Rectify.apply(x, slope, margin)
    return y


class _Normalize(torch.autograd.Function):
    """Keeps the coefficients' own small graph, which on the way back turns their gradients into the statistics'."""

    @staticmethod
    def forward(ctx: Any, recipe: Recipe, x: Tensor, added: Tensor | None, *parameters: Tensor) -> Tensor:
        statistics = (*take_moments(x), _values(x, recipe.pixels))
        with torch.enable_grad():
            inputs = [tensor.detach().requires_grad_() for tensor in (*statistics, *parameters)]
            coefficients = recipe.coefficients(*inputs)
        ctx.save_for_backward(x)
        ctx.recipe, ctx.inputs, ctx.coefficients, ctx.has_added = recipe, inputs, coefficients, added is not None
        return _result(x, _detached(coefficients), recipe, added)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, ...]:
        (x,), coefficients, pixels = ctx.saved_tensors, _detached(ctx.coefficients), ctx.recipe.pixels
        of_plain, of_coefficients = _of_coefficients(x, of_y, coefficients, ctx.recipe)
        of_mean, of_variance, of_values, *of_parameters = torch.autograd.grad(
            ctx.coefficients, ctx.inputs, of_coefficients, retain_graph=True, allow_unused=True
        )
        count = x.shape[2] * x.shape[3]
        gain = of_variance * (2 / count)
        offset = of_mean / count - gain * ctx.inputs[0].detach()
        of_x = of_plain if of_plain is not of_y else torch.empty_like(x)
        for band in bands(x):
            through_statistics = torch.addcmul(as_maps(offset), widened(x[:, :, band]), as_maps(gain))
            of_x[:, :, band] = through_statistics.addcmul_(widened(of_plain[:, :, band]), as_maps(coefficients[0]))
        if pixels is not None:
            of_values = torch.addcmul(offset[pixels[0]], _values(x, pixels), gain[pixels[0]]) + of_values
            _channels_last_view(of_x)[pixels] = of_values.to(x.dtype)
        return None, of_x, of_y if ctx.has_added else None, *of_parameters


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float, margin: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.recipe = Recipe(_untouched, slope=slope, margin=margin)
        return _result(x, _untouched(x), ctx.recipe)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        of_x = torch.empty_like(x)
        for band in bands(x):
            of_x[:, :, band] = _unfinished(of_y, x, band, _untouched(x), ctx.recipe)
        return of_x, None, None


def _untouched(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients that change nothing."""
    one = x.new_ones(1, 1, dtype=wide_type(x))
    return one, torch.zeros_like(one), one


def finish(y: Tensor, slope: float, margin: int, added: Tensor | None = None) -> Tensor:
    """Slope, margin and what is added, in operations that every device and exporter knows; ``y`` is used up."""
    y = _activate(y, slope)
    y = F.pad(y, (margin,) * 4, mode="reflect") if margin else y
    return y if added is None else y + added


def _result(x: Tensor, coefficients: Sequence[Tensor], recipe: Recipe, added: Tensor | None = None) -> Tensor:
    """Of :func:`normalize`."""
    margin, (height, width) = recipe.margin, x.shape[2:]
    if at_once(x):
        y = _normalized(x, slice(None), coefficients, recipe).to(x.dtype)
        return finish(y, recipe.slope, margin, added)
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    size = (*x.shape[:2], height + 2 * margin, width + 2 * margin)
    y = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout)
    inner = y[:, :, margin : margin + height, margin : margin + width]
    for band in bands(x):
        part = _activate(_normalized(x, band, coefficients, recipe), recipe.slope)
        inner[:, :, band] = part if added is None else part.add_(added[:, :, band])
    mirror_margin(y, margin)
    return y


def _of_coefficients(
    x: Tensor, of_y: Tensor, coefficients: Sequence[Tensor], recipe: Recipe
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Gradients of what is there before slope and margin (B, C, H, W), and of the coefficients."""
    plain = recipe.slope == 1 and not recipe.margin
    of_plain = of_y if plain else torch.empty_like(x)
    of_scale, of_shift = [], []
    for band in bands(x):
        part = _unfinished(of_y, x, band, coefficients, recipe)
        if not plain:
            of_plain[:, :, band] = part
        of_scale.append((part * widened(x[:, :, band])).sum(dim=(2, 3)))
        of_shift.append(part.sum(dim=(2, 3)))
    scale, shift = torch.stack(of_scale).sum(dim=0), torch.stack(of_shift).sum(dim=0)
    of_rewritten = _values(of_plain, recipe.pixels)
    if recipe.pixels is not None:
        sample = recipe.pixels[0]
        scale.index_add_(0, sample, of_rewritten * _values(x, recipe.pixels), alpha=-1)
        shift.index_add_(0, sample, of_rewritten, alpha=-1)
    return of_plain, (scale, shift, of_rewritten)


def _unfinished(of_y: Tensor, x: Tensor, band: slice, coefficients: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """Gradient of some rows before slope and margin."""
    part = unfold_margin(of_y, recipe.margin, band) if recipe.margin else widened(of_y[:, :, band])
    if recipe.slope == 1:
        return part
    before = _normalized(x, band, coefficients, recipe)
    of_before: Tensor = torch.ops.aten.leaky_relu_backward(part, before, recipe.slope, False)
    return of_before


def _normalized(x: Tensor, band: slice, coefficients: Sequence[Tensor], recipe: Recipe) -> Tensor:
    """``scale x + shift`` in some rows of all samples, and the pixels' own values."""
    scale, shift, rewritten = coefficients
    y = torch.addcmul(as_maps(shift), widened(x[:, :, band]), as_maps(scale))
    if recipe.pixels is None:
        return y
    if at_once(x):
        _channels_last_view(y)[recipe.pixels] = rewritten
    elif band.start < recipe.rows.stop and recipe.rows.start < band.stop:
        sample, row, column = recipe.pixels
        own = ((row >= band.start) & (row < band.stop)).nonzero()[:, 0]
        _channels_last_view(y)[sample[own], row[own] - band.start, column[own]] = rewritten[own]
    return y


def _detached(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]


def _activate(y: Tensor, slope: float) -> Tensor:
    if slope == 1:
        return y
    return F.leaky_relu_(y, slope) if slope else F.relu_(y)


def _values(x: Tensor, pixels: Pixels | None) -> Tensor:
    """At the pixels, (N, C)."""
    return widened(x.new_empty(0, x.shape[1]) if pixels is None else _channels_last_view(x)[pixels])


def _channels_last_view(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
