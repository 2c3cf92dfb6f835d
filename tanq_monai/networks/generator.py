"""The translator of TANQ: ceT1 slices and their label maps in, pseudo-hrT2 slices out."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.errors import InputError
from tanq_monai.networks.blocks import BlurPool, NormFactory, ResidualBlock, init_xavier, reflect
from tanq_monai.networks.convolutions import FromOneChannel, RowByRow
from tanq_monai.networks.norms import InstanceNorm, RegionAdaptiveNorm, RegionNorm, Structure, find_structures
from tanq_monai.networks.seg_decoder import SegDecoder
from tanq_monai.structures import NORMS, OWN, REGIONS, SURROUNDINGS

Normalization = Literal["tanq", "region", "instance"]
Structures = Sequence[Sequence[Structure]]


class Translation(NamedTuple):
    """What one training pass of :class:`TanqGenerator` yields.

    Attributes:
        image: (B, 1, H, W) in [-1, 1].
        features: the five tapped feature maps, see :meth:`TanqGenerator.encode`.
        logits: (B or ``segmented``, classes, H, W), the SegDecoder's, if there is one.
    """

    image: Tensor
    features: list[Tensor]
    logits: Tensor | None


class TanqGenerator(nn.Module):
    """Antialiased ResNet generator with target-aware normalization and a segmentation decoder; 8,218,628 parameters.

    The encoder and the residual blocks normalise the structures with the norm "own", the cochlea, apart from the rest
    (:class:`RegionNorm`), the decoder all of them, and those with "surroundings", the VS, by the statistics of the rest
    (:class:`RegionAdaptiveNorm`). In eval mode ``forward`` returns the image, and the SegDecoder rests.

    Args:
        width: channels of the stem; 2 x and 4 x of it follow.
        blocks: residual blocks, at least 2: the first and the last up to the fifth are tapped.
        norms: of the structures 1, 2, ..., see :attr:`tanq_monai.structures.Regions.norms`.
        seg_decoder: whether there is a SegDecoder; QS-Attn and CUT have none.
        normalization: "tanq"; "region" normalises the VS in the decoder like the cochlea (the paper's "without RAIN");
            "instance" pays no regard to structures (CUT, QS-Attn).
        min_region_pixels: a structure with fewer pixels at a feature resolution counts as background there.
        num_styles: looks of hrT2 that the decoder keeps apart, each with an affine of its own; the paper has one.

    Raises:
        ValueError: for fewer than 2 blocks, unknown norms, or styles without affine ("instance").

    References:
        TANQ, Sci. Rep. 14:27883 (2024); Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation",
        ECCV 2020, for the trunk.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 6,
        norms: Iterable[str] = tuple(REGIONS.norms.values()),
        seg_decoder: bool = True,
        normalization: Normalization = "tanq",
        min_region_pixels: int = 4,
        num_styles: int = 1,
    ) -> None:
        if blocks < 2:
            raise ValueError(f"blocks must be at least 2, got {blocks}")
        super().__init__()
        self.norms, self.min_region_pixels = tuple(norms), min_region_pixels
        if not self.norms or not set(self.norms) <= set(NORMS):
            raise ValueError(f"norms must be some of {NORMS}, got {self.norms}")
        encoder_norm, decoder_norm = _norms(normalization, self.norms, num_styles)
        self.stem = FromOneChannel(1, width, 7)
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
        self.head = RowByRow(width, 1, 7)
        self.seg_decoder = SegDecoder(4 * width, len(self.norms) + 1) if seg_decoder else None
        self.blur_pool = BlurPool()
        init_xavier(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def by_style(self) -> tuple[str, ...]:
        """Names of the weights that hold one entry per style: the affines of the decoder's norms."""
        return tuple(name for name in self.state_dict() if name.startswith(("up1_norm.", "up2_norm.")))

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of the five tapped feature maps, for the projector."""
        width = self.stem.out_channels
        return (1, 2 * width, 4 * width, 4 * width, 4 * width)

    def forward(self, x: Tensor, style: Tensor | None = None, segmented: int | None = None) -> Tensor | Translation:
        """Translate.

        Args:
            x: (B, 2, H, W): the slice in [-1, 1], and its map of structures, by default {0, 1 VS, 2 cochlea}. H, W
                multiples of 4.
            style: number of the style of every slice, int64 (B,), or (1,) for all; None is style 0.
            segmented: how many slices, the first ones, the SegDecoder is given in training mode; None is all.

        Returns:
            (B, 1, H, W) in [-1, 1] in eval mode, a :class:`Translation` in training mode.

        Raises:
            ValueError: when x is not (B, 2, H, W) with H and W multiples of 4.
        """
        structures = self._structures(x)
        hidden, features = self._encode(x, structures, last_block=len(self.blocks))
        image = self._decode(hidden, structures, style)
        if not self.training:
            return image
        return Translation(image, features, None if self.seg_decoder is None else self.seg_decoder(hidden[:segmented]))

    def encode(self, x: Tensor) -> list[Tensor]:
        """The five feature maps that contrastive learning taps, of ``x`` (B, 2, H, W).

        The reflection-padded slice (B, 1, H + 6, W + 6); the two down convolutions before their norms
        (B, 2 width, H, W) and (B, 4 width, H/2, W/2); the first and the fifth residual block (B, 4 width, H/4, W/4).
        """
        return self._encode(x, self._structures(x), last_block=min(5, len(self.blocks)))[1]

    def predict_structures(self, x: Tensor) -> Tensor:
        """The label map (B, 1, H, W) that the SegDecoder sees in slices (B, 2, H, W), whose own is not looked at.

        Raises:
            InputError: when there is no SegDecoder.
        """
        if self.seg_decoder is None:
            raise InputError("label_free", "this network has no SegDecoder", "choose a TANQ translator that has one")
        unlabelled = empty_label(x[:, :1])
        hidden, _ = self._encode(unlabelled, self._structures(unlabelled), last_block=len(self.blocks))
        logits: Tensor = self.seg_decoder(hidden)
        return logits.argmax(dim=1, keepdim=True).to(x.dtype)

    def _encode(self, x: Tensor, structures: Structures, last_block: int) -> tuple[Tensor, list[Tensor]]:
        full, half, quarter = (
            [one for one, norm in zip(found, self.norms, strict=True) if norm == OWN] for found in structures
        )  # the cochlea alone; the VS counts as background
        padded = reflect(x[:, :1], 3)
        hidden = self.stem_norm(self.stem(padded), full, slope=0.0)
        down1 = self.down1(hidden)
        hidden = self.blur_pool.blur(self.down1_norm(down1, full, slope=0.0, margin=1))
        down2 = self.down2(hidden)
        hidden = self.blur_pool.blur(self.down2_norm(down2, half, slope=0.0, margin=1))
        features = [padded, down1, down2]
        for number, block in enumerate(self.blocks[:last_block], start=1):
            hidden = block(hidden, quarter)
            if number in (1, min(5, len(self.blocks))):
                features.append(hidden)
        return hidden, features

    def _decode(self, hidden: Tensor, structures: Structures, style: Tensor | None) -> Tensor:
        full, half, _ = structures
        up1 = self.up1(_twice_as_large(hidden))
        hidden = _twice_as_large(self.up1_norm(up1, half, style, slope=0.0))
        up2 = self.up2(hidden)
        return torch.tanh(self.head(self.up2_norm(up2, full, style, slope=0.0, margin=3)))

    def _structures(self, x: Tensor) -> Structures:
        """The structures at full, half and quarter resolution."""
        if x.ndim != 4 or x.shape[1] != 2 or x.shape[2] % 4 or x.shape[3] % 4:
            raise ValueError(f"expected (B, 2, H, W) with H and W multiples of 4, got {tuple(x.shape)}")
        height, width = x.shape[2:]
        labels, few, number = x[:, 1:], self.min_region_pixels, len(self.norms)
        return [find_structures(labels, (height // n, width // n), few, number) for n in (1, 2, 4)]


def empty_label(images: Tensor) -> Tensor:
    """Slices (B, 1, H, W) with an all-zero label map: (B, 2, H, W). Real hrT2 has no labels."""
    return torch.cat([images, torch.zeros_like(images)], dim=1)


def _twice_as_large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _norms(normalization: Normalization, norms: Sequence[str], num_styles: int) -> tuple[NormFactory, NormFactory]:
    """The norms of encoder (structures with their own, the cochlea) and decoder (all structures, styles)."""
    adaptive = [number for number, norm in enumerate(norms, start=1) if norm == SURROUNDINGS]
    encoder = partial(RegionNorm, num_structures=len(norms) - len(adaptive))
    shape = {"num_structures": len(norms), "num_styles": num_styles}
    if normalization == "tanq":
        return encoder, partial(RegionAdaptiveNorm, **shape, adaptive=adaptive)
    if normalization == "region":
        return encoder, partial(RegionNorm, **shape)
    if normalization == "instance":
        if num_styles > 1:
            raise InputError(f"{num_styles} styles", '"instance" norm has no affine and so no styles', "choose ['']")
        return InstanceNorm, InstanceNorm
    raise ValueError(f'normalization must be "tanq", "region" or "instance", got {normalization!r}')
