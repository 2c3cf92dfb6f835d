"""The TANQ generator as a graph for export, in operations that ONNX and TorchScript know and do fast.

Axes: B batch, C channels, P = H x W pixels, N pixels of one structure in the whole batch, R regions (others, then the
structures), S styles.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.networks.generator import TanqGenerator
from tanq_monai.networks.norms import EPS, Moments, RegionNorm
from tanq_monai.networks.pixelwise import finish


class GraphGenerator(nn.Module):
    """A generator for export: what it computes is the same for any B, H, W and label map. The SegDecoder is left out.

    Args:
        generator: left as it is.
    """

    def __init__(self, generator: TanqGenerator) -> None:
        super().__init__()
        generator = copy.deepcopy(generator).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        for name, norm in list(generator.named_modules()):
            if isinstance(norm, RegionNorm):
                generator.set_submodule(name, _GraphRegionNorm(norm))
        generator.seg_decoder = None
        self.generator = generator.eval()

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Slices (B, 1, H, W) in [-1, 1] of (B, 2, H, W), in the style of each, int64 (B,)."""
        generator = self.generator
        labels = image[:, 1:]
        few, number = generator.min_region_pixels, len(generator.norms)
        structures = [_find_structures(labels, n, few, number) for n in (1, 2, 4)]
        hidden, _ = generator._encode(image, structures, last_block=len(generator.blocks))  # type: ignore[arg-type]
        return generator._decode(hidden, structures, style)  # type: ignore[arg-type]


class _Structure(NamedTuple):
    """The pixels of one structure.

    Attributes:
        sample: of every pixel, int64 (N,).
        pixel: its place in the flattened sample, int64 (N,).
        members: 1 where the sample has the pixel, (B, N).
        counts: how many pixels each sample has, (B, 1).
    """

    sample: Tensor
    pixel: Tensor
    members: Tensor
    counts: Tensor


class _GraphRegionNorm(nn.Module):
    """What a :class:`RegionNorm` does. It reads and writes structures by their places in the flattened features.

    Writing them back costs nothing then: a runtime does it in place.
    """

    channels: Tensor

    def __init__(self, norm: RegionNorm) -> None:
        super().__init__()
        self.scale_and_shift = norm._scale_and_shift
        self.weight, self.bias = norm.weight, norm.bias
        self.register_buffer("channels", torch.arange(norm.weight.shape[2]), persistent=False)

    def forward(
        self,
        x: Tensor,
        structures: Sequence[_Structure] = (),
        style: Tensor | None = None,
        *,
        slope: float = 1.0,
        margin: int = 0,
        added: Tensor | None = None,
    ) -> Tensor:
        """Normalise ``x`` (B, C, H, W); the encoder's norms are given no style."""
        gamma, beta = (
            (p[:1] if style is None else p[style]).unbind(dim=1) for p in (self.weight, self.bias)
        )  # R of (B or 1, C)
        if not structures:
            centred = x - x.mean(dim=(2, 3), keepdim=True)
            scale = gamma[0] * ((centred * centred).mean(dim=(2, 3)) + EPS).rsqrt()
            return finish(centred * scale[..., None, None] + beta[0][..., None, None], slope, margin, added)
        places = [self._places(x, structure) for structure in structures]
        values = [x.reshape(-1)[place] for place in places]  # (N, C) each
        moments = [_moments(v, s) for v, s in zip(values, structures, strict=True)]
        others, centred, center = _others(x, structures, places, values, moments)

        scale, shift = self.scale_and_shift(0, others, others)
        scale, shift = gamma[0] * scale, gamma[0] * (shift + scale * center) + beta[0]
        y = centred * scale[..., None, None] + shift[..., None, None]
        for region, (place, v, structure, own) in enumerate(zip(places, values, structures, moments, strict=True), 1):
            scale, shift = self.scale_and_shift(region, own, others)
            scale, shift = gamma[region] * scale, gamma[region] * shift + beta[region]
            y = _written(y, place, v * scale[structure.sample] + shift[structure.sample])
        return finish(y, slope, margin, added)

    def _places(self, x: Tensor, structure: _Structure) -> Tensor:
        """Of its pixels' features in the flattened ``x``, int64 (N, C)."""
        _, channels, height, width = x.shape
        channel = structure.sample[:, None] * channels + self.channels
        return channel * (height * width) + structure.pixel[:, None]


def _moments(values: Tensor, structure: _Structure) -> Moments:
    """Two passes over the features (N, C) of a structure. Absent: mean 0, std sqrt(1e-5)."""
    counts = structure.counts.clamp(min=1)
    mean = structure.members @ values / counts
    centred = values - mean[structure.sample]
    variance = structure.members @ (centred * centred) / counts
    return Moments(mean, (variance + EPS).sqrt())


def _others(
    x: Tensor,
    structures: Sequence[_Structure],
    places: Sequence[Tensor],
    values: Sequence[Tensor],
    moments: Sequence[Moments],
) -> tuple[Moments, Tensor, Tensor]:
    """Moments of the rest; ``x`` about their mean, as nearly as float32 finds it by subtraction; that mean (B, C).

    Structures are 0 in what is about the mean, and what is left there corrects the moments: exact, however few others
    there are. Where nothing else is left, others are the whole slice.
    """
    pixels = x.shape[2] * x.shape[3]
    rest = pixels - torch.stack([structure.counts for structure in structures]).sum(dim=0)  # (B, 1)
    none = rest == 0
    inside = torch.stack([s.counts * own.mean for s, own in zip(structures, moments, strict=True)]).sum(dim=0)
    mean = x.mean(dim=(2, 3))
    center = torch.where(none, mean, (mean * pixels - inside) / rest.clamp(min=1))
    centred = x - center[..., None, None]
    for place, v, structure in zip(places, values, structures, strict=True):
        kept = none.to(x.dtype)[structure.sample]  # (N, 1)
        centred = _written(centred, place, (v - center[structure.sample]) * kept)
    count = torch.where(none, pixels, rest)
    offset = centred.sum(dim=(2, 3)) / count
    variance = (centred * centred).sum(dim=(2, 3)) / count - offset * offset
    return Moments(center + offset, (variance.clamp(min=0) + EPS).sqrt()), centred, center


def _written(x: Tensor, place: Tensor, values: Tensor) -> Tensor:
    return x.reshape(-1).scatter(0, place.reshape(-1), values.reshape(-1)).view(x.shape)


def _find_structures(labels: Tensor, size: int, min_pixels: int, number: int) -> list[_Structure]:
    """The structures of (B, 1, H, W) at 1 / size of it, as :func:`tanq_monai.networks.norms.find_structures`."""
    *masks, free = (F.max_pool2d((labels == region).float(), size) for region in range(1, number + 1))
    own = [free]
    free = 1 - free
    for mask in reversed(masks):  # where two meet, the later one has the pixel
        own.append(mask * free)
        free = free * (1 - mask)
    return [_structure(mask, min_pixels) for mask in reversed(own)]


def _structure(mask: Tensor, min_pixels: int) -> _Structure:
    mask = (mask * (mask.sum(dim=(2, 3), keepdim=True) >= min_pixels)).flatten(1)
    sample, pixel = mask.nonzero().unbind(dim=1)
    samples = torch.ones_like(mask[:, :1]).cumsum(dim=0) - 1  # not arange: a traced graph would keep it on this device
    members = (samples == sample).to(mask.dtype)
    return _Structure(sample, pixel, members, mask.sum(dim=1, keepdim=True))
