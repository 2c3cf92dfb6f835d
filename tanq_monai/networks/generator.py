"""The translator of TANQ: ceT1 slices and their label maps in, pseudo-hrT2 slices out."""

from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.networks.blocks import BlurPool, NormFactory, ResidualBlock, init_xavier
from tanq_monai.networks.norms import InstanceNorm, RegionAdaptiveNorm, RegionNorm, Structure, find_structures
from tanq_monai.networks.seg_decoder import SegDecoder

Normalization = Literal["tanq", "region", "instance"]


class Translation(NamedTuple):
    """What one training pass of :class:`TanqGenerator` yields.

    Attributes:
        image: (B, 1, H, W) in [-1, 1].
        features: the five tapped feature maps, see :meth:`TanqGenerator.encode`.
        logits: (B, classes, H, W), the SegDecoder's.
    """

    image: Tensor
    features: list[Tensor]
    logits: Tensor


class TanqGenerator(nn.Module):
    """Antialiased ResNet generator with target-aware normalization and a segmentation decoder; 8,218,628 parameters.

    The encoder and the residual blocks normalise the cochlea apart from the rest (:class:`RegionNorm`), the decoder
    also the VS (:class:`RegionAdaptiveNorm`). In eval mode ``forward`` returns the image, and the SegDecoder rests.

    Args:
        width: channels of the stem; 2 x and 4 x of it follow.
        blocks: residual blocks.
        classes: of the SegDecoder, background included.
        normalization: "tanq"; "region" normalises the VS in the decoder like the cochlea (the paper's "without RAIN");
            "instance" pays no regard to structures (QS-Attn).
        min_region_pixels: a structure with fewer pixels at a feature resolution counts as background there.

    References:
        TANQ, Sci. Rep. 14:27883 (2024); Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation",
        ECCV 2020, for the trunk.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 6,
        classes: int = 3,
        normalization: Normalization = "tanq",
        min_region_pixels: int = 4,
    ) -> None:
        super().__init__()
        encoder_norm, decoder_norm = _norms(normalization)
        self.min_region_pixels = min_region_pixels
        self.stem = nn.Conv2d(1, width, 7)
        self.stem_norm = encoder_norm(width)
        self.down1 = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.down1_norm = encoder_norm(2 * width)
        self.down2 = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.down2_norm = encoder_norm(4 * width)
        self.blocks = nn.ModuleList(ResidualBlock(4 * width, encoder_norm) for _ in range(blocks))
        self.up1 = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.up1_norm = decoder_norm(2 * width)
        self.up2 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.up2_norm = decoder_norm(width)
        self.head = nn.Conv2d(width, 1, 7)
        self.seg_decoder = SegDecoder(4 * width, classes)
        self.blur_pool = BlurPool()
        init_xavier(self)

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of the five tapped feature maps, for the projector."""
        width = self.stem.out_channels
        return (1, 2 * width, 4 * width, 4 * width, 4 * width)

    def forward(self, x: Tensor) -> Tensor | Translation:
        """Translate.

        Args:
            x: (B, 2, H, W): the slice in [-1, 1], and its label map {0, 1 VS, 2 cochlea}. H, W multiples of 4.

        Returns:
            (B, 1, H, W) in [-1, 1] in eval mode, a :class:`Translation` in training mode.

        Raises:
            ValueError: when x is not (B, 2, H, W) with H and W multiples of 4.
        """
        if not self.training:
            hidden, _ = self._encode(x, last_block=len(self.blocks))
            return self._decode(hidden, x)
        hidden, features = self._encode(x, last_block=len(self.blocks))
        return Translation(self._decode(hidden, x), features, self.seg_decoder(hidden))

    def encode(self, x: Tensor) -> list[Tensor]:
        """The five feature maps that contrastive learning taps, of ``x`` (B, 2, H, W).

        The reflection-padded slice (B, 1, H + 6, W + 6); the two down convolutions before their norms
        (B, 2 width, H, W) and (B, 4 width, H/2, W/2); the first and the fifth residual block (B, 4 width, H/4, W/4).
        """
        return self._encode(x, last_block=min(5, len(self.blocks)))[1]

    def _encode(self, x: Tensor, last_block: int) -> tuple[Tensor, list[Tensor]]:
        if x.ndim != 4 or x.shape[1] != 2 or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"expected (B, 2, H, W) with H and W multiples of 4, got {tuple(x.shape)}")
        padded = F.pad(x[:, :1], (3, 3, 3, 3), mode="reflect")
        hidden = self.stem(padded)
        hidden = F.relu(self.stem_norm(hidden, self._structures(x, hidden)[1:]))
        down1 = self.down1(hidden)
        hidden = self.blur_pool(F.relu(self.down1_norm(down1, self._structures(x, down1)[1:])))
        down2 = self.down2(hidden)
        hidden = self.blur_pool(F.relu(self.down2_norm(down2, self._structures(x, down2)[1:])))
        features = [padded, down1, down2]
        cochlea = self._structures(x, hidden)[1:]
        for number, block in enumerate(self.blocks[:last_block], start=1):
            hidden = block(hidden, cochlea)
            if number in (1, min(5, len(self.blocks))):
                features.append(hidden)
        return hidden, features

    def _decode(self, hidden: Tensor, x: Tensor) -> Tensor:
        for conv, norm in ((self.up1, self.up1_norm), (self.up2, self.up2_norm)):
            hidden = conv(F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False))
            hidden = F.relu(norm(hidden, self._structures(x, hidden)))
        return torch.tanh(self.head(F.pad(hidden, (3, 3, 3, 3), mode="reflect")))

    def _structures(self, x: Tensor, features: Tensor) -> tuple[Structure, Structure]:
        return find_structures(x[:, 1:], features.shape[2:], self.min_region_pixels)


def _norms(normalization: Normalization) -> tuple[NormFactory, NormFactory]:
    """The norms of encoder (one structure, the cochlea) and decoder (VS and cochlea)."""
    if normalization == "tanq":
        return RegionNorm, RegionAdaptiveNorm
    if normalization == "region":
        return RegionNorm, partial(RegionNorm, num_structures=2)
    if normalization == "instance":
        return InstanceNorm, InstanceNorm
    raise ValueError(f'normalization must be "tanq", "region" or "instance", got {normalization!r}')


def translate(generator: TanqGenerator, slices: Tensor) -> Tensor:
    """Translate ``slices`` (B, 2, H, W) in eval mode without gradients, leaving the generator's mode as it was."""
    training = generator.training
    generator.eval()
    with torch.no_grad():
        image: Tensor = generator(slices)
    generator.train(training)
    return image


def empty_label(images: Tensor) -> Tensor:
    """Slices (B, 1, H, W) with an all-zero label map: (B, 2, H, W). Real hrT2 has no labels."""
    return torch.cat([images, torch.zeros_like(images)], dim=1)
