"""What the generators and the discriminator are built of. Axes: B batch, C channels, H x W pixels."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tanq_monai.networks.norms import Structure

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
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions, each with a norm, ReLU between, none after the sum."""

    def __init__(self, channels: int, norm: NormFactory) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor, structures: Sequence[Structure] = ()) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        hidden = recomputed(lambda h: reflect(F.relu(self.norm1(h, structures), inplace=True), 1), self.conv1(x))
        out: Tensor = x + self.norm2(self.conv2(hidden), structures)
        return out


def recomputed(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``function(x)``, of which autograd keeps ``x`` alone: the rest is computed again on the way back.

    For chains of cheap operations between two convolutions, with no random numbers inside.
    """
    if not (torch.is_grad_enabled() and x.requires_grad):
        return function(x)
    result: Tensor = checkpoint(function, x, use_reentrant=False, preserve_rng_state=False)
    return result


def reflect(x: Tensor, pixels: int) -> Tensor:
    """``x`` (B, C, H, W) with its mirror image in a margin of ``pixels``."""
    return F.pad(x, (pixels,) * 4, mode="reflect")


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
