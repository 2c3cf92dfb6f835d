"""Whole feature maps a few rows at a time, in float32 whatever their type.

Axes: B batch, C channels, H x W pixels. On a CPU a band of rows goes through all there is to do with it while it is
in the cache; what is computed meanwhile needs no new pages of memory.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

AT_ONCE = 2**18  # values on a CPU: temporary results of 1 MB


def at_once(x: Tensor) -> bool:
    """Whether the map goes through as a whole: on a GPU, and where operations are recorded for other sizes, too."""
    return x.device.type != "cpu" or torch.compiler.is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]


def bands(x: Tensor) -> Iterator[slice]:
    """The rows of a map, a few at a time."""
    height = x.shape[2]
    rows = height if at_once(x) else max(1, AT_ONCE // x[:, :, 0].numel())
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def wide_type(x: Tensor) -> torch.dtype:
    """The type to compute in."""
    return torch.promote_types(x.dtype, torch.float32)


def widened(x: Tensor) -> Tensor:
    """In that type; itself where it has it."""
    return x.to(wide_type(x))


def take_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of whole slices, (B, C) each.

    Each band of rows in two passes, mean and then centred squares; the bands' are put together as Chan et al. do.
    """
    if at_once(x):
        variance, mean = torch.var_mean(widened(x), dim=(2, 3), correction=0)
        return mean, variance
    means, squares, rows = [], [], []
    for band in bands(x):
        part = widened(x[:, :, band])
        means.append(part.mean(dim=(2, 3)))
        squares.append((part - as_maps(means[-1])).square_().sum(dim=(2, 3)))
        rows.append(part.shape[2])
    share = torch.tensor(rows, dtype=means[0].dtype, device=x.device)[:, None, None] / x.shape[2]
    mean = (torch.stack(means) * share).sum(dim=0)
    between = ((torch.stack(means) - mean).square() * share).sum(dim=0)
    return mean, torch.stack(squares).sum(dim=0) / (x.shape[2] * x.shape[3]) + between


def unfold_margin(of_padded: Tensor, margin: int, band: slice = slice(None)) -> Tensor:
    """Gradient of some rows of a map (B, C, H, W) from that of the map with a mirrored margin; a copy."""
    height, width = (n - 2 * margin for n in of_padded.shape[2:])
    top, bottom, _ = band.indices(height)
    rows = of_padded[:, :, margin + top : margin + bottom].to(wide_type(of_padded), copy=True)
    for k in range(1, margin + 1):
        for row, mirrored in ((k, margin - k), (height - 1 - k, margin + height - 1 + k)):
            if top <= row < bottom:
                rows[:, :, row - top] += of_padded[:, :, mirrored]
    inner = rows[..., margin : margin + width]
    for k in range(1, margin + 1):
        inner[..., k] += rows[..., margin - k]
        inner[..., width - 1 - k] += rows[..., margin + width - 1 + k]
    return inner


def mirror_margin(padded: Tensor, margin: int) -> None:
    """Fill the margin of maps (B, C, H + 2 margin, W + 2 margin) with the mirror image of what it surrounds."""
    last_row, last_column = (n - margin - 1 for n in padded.shape[2:])
    inner = padded[:, :, margin : last_row + 1]
    for k in range(1, margin + 1):
        inner[..., margin - k] = inner[..., margin + k]
        inner[..., last_column + k] = inner[..., last_column - k]
    for k in range(1, margin + 1):
        padded[:, :, margin - k] = padded[:, :, margin + k]
        padded[:, :, last_row + k] = padded[:, :, last_row - k]


def as_maps(values: Tensor) -> Tensor:
    """(B, C) -> (B, C, 1, 1)."""
    return values[..., None, None]
