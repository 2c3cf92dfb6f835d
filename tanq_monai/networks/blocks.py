"""What the generators and the discriminator are built of. Axes: B batch, C channels, H x W pixels."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tanq_monai.networks.norms import Structure
from tanq_monai.networks.pixelwise import unfold_margin

NormFactory = Callable[[int], nn.Module]


class BlurPool(nn.Module):
    """Halve the resolution without aliasing: reflection pad 1, depthwise [1, 2, 1] x [1, 2, 1] / 16, stride 2.

    References:
        Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", taps[:, None] * taps[None, :], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H / 2), ceil(W / 2))."""
        return self.blur(reflect(x, 1))

    def blur(self, padded: Tensor) -> Tensor:
        """Of what has its margin already: (B, C, H + 2, W + 2) -> (B, C, ceil(H / 2), ceil(W / 2))."""
        channels = padded.shape[1]
        y: Tensor = _Blur.apply(padded, self.kernel.to(padded.dtype).expand(channels, 1, 3, 3))
        return y


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions, each with a norm, ReLU between, none after the sum."""

    def __init__(self, channels: int, norm: NormFactory) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor, structures: Sequence[Structure] = ()) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        hidden = self.norm1(self.conv1(reflect(x, 1)), structures, slope=0.0, margin=1)
        out: Tensor = self.norm2(self.conv2(hidden), structures, added=x)
        return out


def reflect(x: Tensor, pixels: int) -> Tensor:
    """``x`` (B, C, H, W) with its mirror image in a margin of ``pixels``."""
    padded: Tensor = _Reflect.apply(x, pixels) if x.requires_grad else F.pad(x, (pixels,) * 4, mode="reflect")
    return padded


class RowByRow(nn.Conv2d):
    """A convolution to few channels without padding, as the sum over the rows of its kernel; weights as ever.

    CPUs compute channels in blocks of 16: one output channel costs as much as 16, and the rows share a block. The sum
    is at least float32.
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


class _Reflect(torch.autograd.Function):
    """Torch's own keeps x for the way back, which needs nothing of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pixels: int) -> Tensor:
        ctx.pixels = pixels
        return F.pad(x, (pixels,) * 4, mode="reflect")

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_padded: Tensor) -> tuple[Tensor, None]:
        return unfold_margin(of_padded, ctx.pixels).to(of_padded.dtype), None


class _Blur(torch.autograd.Function):
    """Torch's own keeps its input for the gradient of a kernel, which here has none."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, kernel: Tensor) -> Tensor:
        ctx.kernel, ctx.size = kernel, padded.shape
        with torch.autocast(padded.device.type, enabled=False):
            return F.conv2d(padded, kernel, stride=2, groups=padded.shape[1])

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor, None]:
        like = torch.empty(ctx.size, dtype=of_y.dtype, device=of_y.device, memory_format=torch.channels_last)
        flags, groups = (True, False, False), ctx.size[1]
        of_padded: Tensor
        of_padded, _, _ = torch.ops.aten.convolution_backward(
            of_y, like, ctx.kernel, None, [2, 2], [0, 0], [1, 1], False, [0, 0], groups, flags
        )
        return of_padded, None


def init_xavier(module: nn.Module, gain: float = 0.02) -> None:
    """Xavier normal weights and zero biases for every convolution and linear layer, as in CUT and QS-Attn."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def init_normal(module: nn.Module, std: float = 0.02) -> None:
    """Normal(0, std) weights and zero biases for every convolution, as in CycleGAN."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
