"""CycleGAN's generator, the second view."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from tanq_monai.networks.blocks import ResidualBlock, init_normal, reflect
from tanq_monai.networks.convolutions import FromOneChannel, RowByRow
from tanq_monai.networks.norms import InstanceNorm

DECODER = 8
"""Layers behind the residual blocks: two transposed convolutions, each with norm and ReLU, the head and tanh."""


class CycleGanGenerator(nn.Module):
    """ResNet generator with strided and transposed convolutions and instance norm; 11,365,633 parameters.

    Called like :class:`TanqGenerator`, but it pays no regard to structures and styles, and always returns the image.

    Args:
        width: channels of the stem; 2 x and 4 x of it follow.
        blocks: residual blocks.

    References:
        Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017.
    """

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.layers = nn.Sequential(
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
            _up(4 * width),
            InstanceNorm(2 * width),
            nn.ReLU(),
            _up(2 * width),
            InstanceNorm(width),
            nn.ReLU(),
            RowByRow(width, 1, 7),
            nn.Tanh(),
        )
        init_normal(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Translate.

        Args:
            x: (B, 1, H, W), the slice in [-1, 1]; or (B, 2, H, W) with its label map. H, W multiples of 4.
            style: not used.

        Returns:
            (B, 1, H, W) in [-1, 1].

        Raises:
            ValueError: when x is neither, or H or W no multiple of 4.
        """
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Tensor:
        """(B, 1 or 2, H, W), as of :meth:`forward` -> output of the residual blocks, (B, 4 width, H/4, W/4).

        Raises:
            ValueError: as of :meth:`forward`.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 2) or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"expected (B, 1 or 2, H, W) with H and W multiples of 4, got {tuple(x.shape)}")
        return _run(self.layers[:-DECODER], reflect(x[:, :1], 3))

    def decode(self, hidden: Tensor) -> Tensor:
        """(B, 4 width, H/4, W/4) -> translation (B, 1, H, W) in [-1, 1]."""
        *layers, head, tanh = self.layers[-DECODER:]
        image: Tensor = tanh(head(_run(layers, hidden, margin=3)))  # the head's reflection pad
        return image


def _run(layers: Iterable[nn.Module], hidden: Tensor, margin: int = 0) -> Tensor:
    """One layer after the other; an instance norm does the ReLU after it, too, and the last one a margin."""
    layers = list(layers)
    last_norm = max(number for number, layer in enumerate(layers) if isinstance(layer, InstanceNorm))
    for number, layer in enumerate(layers):
        if isinstance(layer, InstanceNorm):
            hidden = layer(hidden, slope=0.0, margin=margin if number == last_norm else 0)
        elif not isinstance(layer, nn.ReLU):
            hidden = layer(hidden)
    return hidden


def _up(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
