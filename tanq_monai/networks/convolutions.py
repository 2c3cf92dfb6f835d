"""Convolutions from and to very few channels. Axes: B batch, C channels, H x W pixels.

CPUs compute channels in blocks of 16: one output channel costs as much as 16, and the rows of its kernel share a block.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class RowByRow(nn.Conv2d):
    """A convolution to few channels without padding, as the sum over the rows of its kernel; weights as ever.

    The sum is at least float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_channels, H - rows + 1, W - columns + 1)."""
        out, _, rows, _ = self.weight.shape
        by_row = F.conv2d(x, self.weight.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None])
        by_row = by_row.to(torch.promote_types(by_row.dtype, torch.float32))
        height = x.shape[2] - rows + 1
        first, *rest = (by_row[:, row * out : (row + 1) * out, row : row + height] for row in range(rows))
        return sum(rest, first) + self.bias[:, None, None]  # type: ignore[index]


class FromOneChannel(nn.Conv2d):
    """A convolution of images, of stride 1, that gives them their gradient as the sum over the rows of its kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, out_channels, H + 2 padding - rows + 1, alike)."""
        if not (torch.is_grad_enabled() and x.requires_grad):
            return super().forward(x)
        y: Tensor = _ToOneChannel.apply(super().forward(x.detach()), x, self.weight, self.padding)
        return y


class _ToOneChannel(torch.autograd.Function):
    """Lets ``y`` pass, which does not know that it is made of ``x``, and gives x its gradient."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.dtype, ctx.padding = x.dtype, padding
        return y

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, ...]:
        (weight,), (above, left) = ctx.saved_tensors, ctx.padding
        rows, columns = weight.shape[2:]
        kernel = weight.detach().to(of_y.dtype).flip(3).permute(2, 0, 1, 3)  # (rows, C, 1, columns)
        by_row = F.conv2d(of_y, kernel, padding=(0, columns - 1)).to(torch.promote_types(of_y.dtype, torch.float32))
        height = of_y.shape[2]
        of_x = by_row.new_zeros(len(of_y), 1, height + rows - 1, by_row.shape[3])
        for row in range(rows):
            of_x[:, :, row : row + height] += by_row[:, row : row + 1]
        of_x = of_x[:, :, above : of_x.shape[2] - above, left : of_x.shape[3] - left]
        return of_y, of_x.to(ctx.dtype), None, None
