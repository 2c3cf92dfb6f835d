"""The translator whose look comes from an exemplar: any hrT2 scan says how the translations are to look."""

import torch
from torch import Tensor, nn

from tanq_monai.networks.blocks import ResidualBlock, encoder_layers, init_normal, reflect, run_layers, up
from tanq_monai.networks.convolutions import FromOneChannel, RowByRow
from tanq_monai.networks.norms import AdaptiveInstanceNorm

CODE = 8
"""Numbers of a style code."""


class StyleEncoder(nn.Sequential):
    """What a slice looks like, whatever it shows: its style code; 94,984 parameters at width 32.

    Three convolutions without any norm, which would take the levels away, and the mean over all pixels.

    Args:
        width: channels of the first convolution; 2 x and 4 x of it follow, each at half the resolution.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__(
            FromOneChannel(1, width, 7),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, CODE),
        )
        for layer in self:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Slices (B, 1, H, W) in [-1, 1] -> their style codes (B, 8)."""
        code: Tensor = super().forward(reflect(x, 3))  # type: ignore[no-untyped-call]
        return code


class ExemplarGenerator(nn.Module):
    """Content encoder, encoder of hrT2's style, and a decoder that puts both together; 2,664,265 parameters.

    The content of a slice is what it shows, without levels, which instance norm takes away; the decoder's norms put
    those of a style code in their place (AdaIN). Any content goes with any code: ceT1 with the code of an hrT2 scan is
    its translation to the look of that scan. The style encoder of ceT1 is needed in training alone, and is apart.

    Called like :class:`TanqGenerator`: the number of a style is that of a look in ``looks``. It pays no regard to
    structures.

    Args:
        width: channels of the stem; 2 x and 4 x of it follow.
        blocks: residual blocks of the content encoder, and as many of the decoder.

    Attributes:
        looks: style codes that can be translated to, (S, 8). In training one, the running mean of hrT2's, which shows
            how the training is getting on; afterwards those of exemplars.

    References:
        Yao et al., "A Novel 3D Unsupervised Domain Adaptation Framework for Cross-Modality Medical Image Segmentation"
        (DAR-UNet), JBHI 2022: 32-64-128 channels, 4 residual blocks, codes of 8 numbers. Ours: the decoder's upsampling
        is normalised by AdaIN, too; scale and shift of a norm follow from the code by one linear layer; codes are
        always those of slices, and looks those of exemplars instead of cluster centres.
    """

    looks: Tensor

    def __init__(self, width: int = 32, blocks: int = 4) -> None:
        super().__init__()
        self.content = nn.Sequential(*encoder_layers(width, blocks))
        self.blocks = nn.ModuleList(ResidualBlock(4 * width, AdaptiveInstanceNorm) for _ in range(blocks))
        self.up1, self.up1_norm = up(4 * width), AdaptiveInstanceNorm(2 * width)
        self.up2, self.up2_norm = up(2 * width), AdaptiveInstanceNorm(width)
        self.head = RowByRow(width, 1, 7)
        init_normal(self)
        self.style = StyleEncoder(width)
        self.register_buffer("looks", torch.zeros(1, CODE))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Translate.

        Args:
            x: (B, 1, H, W), the slice in [-1, 1]; or (B, 2, H, W) with its label map. H, W multiples of 4.
            style: numbers of the looks, int64 (B,), or (1,) for all; None is look 0. Not used where there is but one.

        Returns:
            (B, 1, H, W) in [-1, 1].

        Raises:
            ValueError: when x is neither, or H or W no multiple of 4.
        """
        code = self.looks[:1] if style is None or len(self.looks) == 1 else self.looks[style]
        return self.decode(self.encode(x), code)

    def encode(self, x: Tensor) -> Tensor:
        """The content of (B, 1 or 2, H, W), as of :meth:`forward`: (B, 4 width, H/4, W/4).

        Raises:
            ValueError: as of :meth:`forward`.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 2) or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"expected (B, 1 or 2, H, W) with H and W multiples of 4, got {tuple(x.shape)}")
        return run_layers(self.content, reflect(x[:, :1], 3))

    def decode(self, content: Tensor, code: Tensor) -> Tensor:
        """Content (B, 4 width, H/4, W/4) and codes (B, 8), or (1, 8) for all -> slices (B, 1, H, W) in [-1, 1]."""
        hidden = content
        for block in self.blocks:
            hidden = block(hidden, style=code)
        hidden = self.up1_norm(self.up1(hidden), style=code, slope=0.0)
        hidden = self.up2_norm(self.up2(hidden), style=code, slope=0.0, margin=3)  # the head's reflection pad
        image: Tensor = self.head(hidden).tanh()
        return image
