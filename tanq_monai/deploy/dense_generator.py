"""The TANQ generator as a graph for export, whose operations do not depend on what the label map holds.

Axes: B batch, C channels, P = H x W pixels, R regions (others, then the structures), S styles.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.networks.generator import TanqGenerator
from tanq_monai.networks.norms import COCHLEA, EPS, VS, Moments, RegionNorm


class DenseGenerator(nn.Module):
    """A generator in which structures are masks: lists of pixels have a length that an exported graph cannot know.

    Takes more operations than the original. The SegDecoder is left out.

    Args:
        generator: left as it is.
    """

    def __init__(self, generator: TanqGenerator) -> None:
        super().__init__()
        generator = copy.deepcopy(generator).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        for name, norm in list(generator.named_modules()):
            if isinstance(norm, RegionNorm):
                generator.set_submodule(name, _DenseRegionNorm(norm))
        generator.seg_decoder = None
        self.generator = generator.eval()

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        """Slices (B, 1, H, W) in [-1, 1] of (B, 2, H, W), in the style of each, int64 (B,)."""
        generator = self.generator
        labels = image[:, 1:]
        structures = [_masks(labels, n, generator.min_region_pixels) for n in (1, 2, 4)]
        hidden, _ = generator._encode(image, structures, last_block=len(generator.blocks))  # type: ignore[arg-type]
        return generator._decode(hidden, structures, style)  # type: ignore[arg-type]


class _DenseRegionNorm(nn.Module):
    """What a :class:`RegionNorm` does, with masks (B, 1, H, W) for structures."""

    def __init__(self, norm: RegionNorm) -> None:
        super().__init__()
        self.scale_and_shift = norm._scale_and_shift
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, x: Tensor, structures: Sequence[Tensor] = (), style: Tensor | None = None) -> Tensor:
        """Normalise ``x`` (B, C, H, W); the encoder's norms are given no style."""
        gamma, beta = (
            (p[:1] if style is None else p[style]).unbind(dim=1) for p in (self.weight, self.bias)
        )  # R of (B or 1, C)
        moments = _moments(x, structures)
        y: Tensor = x
        for region, own in enumerate(moments):
            scale, shift = self.scale_and_shift(region, own, moments[0])
            scale, shift = gamma[region] * scale, gamma[region] * shift + beta[region]
            normalized = x * scale[..., None, None] + shift[..., None, None]
            y = normalized if region == 0 else torch.where(structures[region - 1] > 0, normalized, y)
        return y


def _moments(x: Tensor, structures: Sequence[Tensor]) -> list[Moments]:
    """Of others and of each structure; others are the whole slice where nothing else is left."""
    inside = torch.cat(list(structures), dim=1)
    others = 1 - inside.sum(dim=1, keepdim=True)
    others = torch.where(others.sum(dim=(2, 3), keepdim=True) > 0, others, torch.ones_like(others))
    masks = torch.cat([others, inside], dim=1).flatten(2).transpose(1, 2)  # (B, P, R)
    weights = masks / masks.sum(dim=1, keepdim=True).clamp(min=1)
    center = x.mean(dim=(2, 3), keepdim=True)  # near enough to every region's own for float32
    centred = (x - center).flatten(2)  # (B, C, P)
    mean, square = centred @ weights, centred.square() @ weights  # (B, C, R)
    std = ((square - mean.square()).clamp(min=0) + EPS).sqrt()
    mean = mean + center[:, :, 0]
    return [Moments(mean[..., region], std[..., region]) for region in range(len(structures) + 1)]


def _masks(labels: Tensor, size: int, min_pixels: int) -> tuple[Tensor, Tensor]:
    """VS and cochlea (B, 1, H / size, W / size), as :func:`tanq_monai.networks.norms.find_structures` finds them."""
    vs, cochlea = (F.max_pool2d((labels == value).float(), size) for value in (VS, COCHLEA))
    vs = vs * (1 - cochlea)
    vs, cochlea = (mask * (mask.sum(dim=(2, 3), keepdim=True) >= min_pixels) for mask in (vs, cochlea))
    return vs, cochlea
