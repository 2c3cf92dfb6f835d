"""CycleGAN's generator, the second view."""

import torch
from torch import Tensor, nn

from tanq_monai.networks.blocks import encoder_layers, init_normal, reflect, run_layers, up
from tanq_monai.networks.convolutions import RowByRow
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
            *encoder_layers(width, blocks),
            up(4 * width),
            InstanceNorm(2 * width),
            nn.ReLU(),
            up(2 * width),
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
        return run_layers(self.layers[:-DECODER], reflect(x[:, :1], 3))

    def decode(self, hidden: Tensor) -> Tensor:
        """(B, 4 width, H/4, W/4) -> translation (B, 1, H, W) in [-1, 1]."""
        *layers, head, tanh = self.layers[-DECODER:]
        image: Tensor = tanh(head(run_layers(layers, hidden, margin=3)))  # the head's reflection pad
        return image
