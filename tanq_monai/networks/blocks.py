"""What the generators and the discriminator are built of. Axes: B batch, C channels, H x W pixels."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tanq_monai.networks.bands import unfold_margin
from tanq_monai.networks.convolutions import FromOneChannel
from tanq_monai.networks.norms import InstanceNorm, Structure

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
        kernel = self.kernel.to(padded.dtype).expand(padded.shape[1], 1, 3, 3)
        y: Tensor = _Blur.apply(padded, kernel) if padded.requires_grad else _blurred(padded, kernel)
        return y


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions, each with a norm, ReLU between, none after the sum."""

    def __init__(self, channels: int, norm: NormFactory) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor, structures: Sequence[Structure] = (), style: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> the same shape; ``structures`` and ``style`` are the norms'."""
        hidden = self.norm1(self.conv1(reflect(x, 1)), structures, style, slope=0.0, margin=1)
        out: Tensor = self.norm2(self.conv2(hidden), structures, style, added=x)
        return out


def encoder_layers(width: int, blocks: int) -> list[nn.Module]:
    """CycleGAN's encoder with instance norm, for :func:`run_layers`.

    (B, 1, H + 6, W + 6), with its reflection pad -> (B, 4 width, H/4, W/4).

    Args:
        width: channels of the stem; 2 x and 4 x of it follow, each at half the resolution.
        blocks: residual blocks behind.
    """
    return [
        FromOneChannel(1, width, 7),
        InstanceNorm(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        InstanceNorm(2 * width),
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
        InstanceNorm(4 * width),
        nn.ReLU(),
        *(ResidualBlock(4 * width, InstanceNorm) for _ in range(blocks)),
    ]


def run_layers(layers: Iterable[nn.Module], hidden: Tensor, margin: int = 0) -> Tensor:
    """One layer after the other; an instance norm does the ReLU after it, too, and the last one a margin."""
    layers = list(layers)
    last_norm = max(number for number, layer in enumerate(layers) if isinstance(layer, InstanceNorm))
    for number, layer in enumerate(layers):
        if isinstance(layer, InstanceNorm):
            hidden = layer(hidden, slope=0.0, margin=margin if number == last_norm else 0)
        elif not isinstance(layer, nn.ReLU):
            hidden = layer(hidden)
    return hidden


def up(channels: int) -> nn.ConvTranspose2d:
    """(B, channels, H, W) -> (B, channels / 2, 2 H, 2 W), learnt."""
    return nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)


def reflect(x: Tensor, pixels: int) -> Tensor:
    """``x`` (B, C, H, W) with its mirror image in a margin of ``pixels``."""
    padded: Tensor = _Reflect.apply(x, pixels) if x.requires_grad else F.pad(x, (pixels,) * 4, mode="reflect")
    return padded


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


def _blurred(padded: Tensor, kernel: Tensor) -> Tensor:
    with torch.autocast(padded.device.type, enabled=False):
        return F.conv2d(padded, kernel, stride=2, groups=padded.shape[1])


class _Blur(torch.autograd.Function):
    """Torch's own keeps its input for the gradient of a kernel, which here has none."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, kernel: Tensor) -> Tensor:
        ctx.kernel, ctx.size = kernel, padded.shape
        return _blurred(padded, kernel)

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
