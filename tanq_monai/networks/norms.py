"""Target-aware normalization: every structure is normalised by its own statistics.

Axes: B batch, C channels, H x W pixels, N pixels of one structure in the whole batch, S styles.
Structures are a few hundred pixels of a slice. So the statistics of a slice are taken once, densely, the structures'
own sums are taken off them, one fused multiply-add normalises everything, and the structures' pixels are rewritten.
That is exact, and costs little more than instance norm. Where structures all but fill a sample, float32 would lose the
rest in the difference: its statistics are then taken by themselves. What passes over whole maps is in ``pixelwise``,
and does in the same pass what the networks want next: ``slope`` of values below 0 (1 keeps them, 0 is ReLU), ``margin``
of pixels that mirror the result, or a map ``added`` to it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.networks.pixelwise import Pixels, Recipe, normalize

EPS = 1e-5
FEW = 1 / 8  # of a slice: of fewer "others", float32 loses too much when the structures' sums are taken off


@dataclass(frozen=True)
class Structure:
    """The pixels of one structure, over all samples of a batch.

    Attributes:
        pixels: sample, row and column of every pixel, three int64 tensors (N,).
        counts: how many pixels each sample has, float32 (B,). 0 where the structure is absent.
    """

    pixels: Pixels
    counts: Tensor


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation (root of biased variance + 1e-5) per sample and channel, float32 (B, C)."""

    mean: Tensor
    std: Tensor


def find_structures(
    label_map: Tensor, size: Sequence[int], min_pixels: int = 4, num_structures: int = 2
) -> list[Structure]:
    """The structures of a label map, at the resolution of a feature map.

    Masks shrink by max pooling, which never loses a structure (nearest sampling 256 -> 64 loses one of 2 x 2 pixels in
    three of four positions). Where structures then meet, the later one wins: of VS and cochlea the cochlea.

    Args:
        label_map: (B, 1, H, W) with values 0, 1, 2, ..., the regions' numbers.
        size: height and width of the feature map.
        min_pixels: a structure with fewer in a sample counts as background there. One pixel would be normalised to
            exactly 0, two to +-1.
        num_structures: how many there are.
    """
    masks = torch.cat([label_map == region for region in range(1, num_structures + 1)], dim=1).float()
    pooled = F.adaptive_max_pool2d(masks, tuple(size)).bool().unbind(dim=1)
    return [_structure(mask, min_pixels) for mask in _apart(*pooled)]


class InstanceNorm(nn.Module):
    """Instance normalization without affine, called like the region norms; it pays no regard to the structures.

    Like ``nn.InstanceNorm2d`` without affine, but as fast in channels-last as contiguous, and float32 under autocast.

    Args:
        num_features: C, for the sake of the same call as the others.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(
        self,
        x: Tensor,
        structures: Sequence[Structure] = (),
        style: Tensor | None = None,
        *,
        slope: float = 1.0,
        margin: int = 0,
        added: Tensor | None = None,
    ) -> Tensor:
        """Normalise ``x`` (B, C, H, W) -> (B, C, H + 2 margin, W + 2 margin)."""
        return normalize(x, Recipe(_whole_slices, slope=slope, margin=margin), added=added)


class AdaptiveInstanceNorm(nn.Module):
    r"""Instance normalization whose scale and shift follow from a code (AdaIN), called like the region norms.

    .. math:: y = \gamma(s) \frac{x - \mu}{\sigma} + \beta(s)

    Every channel of a sample then has the mean :math:`\beta(s)` and the deviation :math:`|\gamma(s)|`, whatever it had.

    Args:
        num_features: C.
        code: numbers of the code s.

    References:
        Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017;
        :math:`\gamma - 1` and :math:`\beta` by one linear layer.
    """

    def __init__(self, num_features: int, code: int = 8) -> None:
        super().__init__()
        self.affine = nn.Linear(code, 2 * num_features)

    def forward(
        self,
        x: Tensor,
        structures: Sequence[Structure] = (),
        style: Tensor | None = None,
        *,
        slope: float = 1.0,
        margin: int = 0,
        added: Tensor | None = None,
    ) -> Tensor:
        """Normalise ``x`` (B, C, H, W) -> (B, C, H + 2 margin, W + 2 margin).

        Args:
            x: features.
            structures: not used.
            style: the code of every sample, (B, code), or (1, code) for all; None: zeros.
            slope: of the result's values below 0.
            margin: pixels that mirror it.
            added: to the result.
        """
        with torch.autocast(x.device.type, enabled=False):
            weight = self.affine.weight
            code = weight.new_zeros(1, self.affine.in_features) if style is None else style.to(weight.dtype)
            scale, shift = self.affine(code)[:, None].chunk(2, dim=2)
        return normalize(x, Recipe(_affine_slices, slope=slope, margin=margin), [1 + scale, shift], added)


class RegionNorm(nn.Module):
    r"""Instance normalization of every region with its own statistics.

    .. math:: y = \gamma_r \frac{x - \mu_r}{\sigma_r} + \beta_r \quad\text{inside region } r

    A cochlea of a dozen pixels is then no longer scaled by the statistics of the whole head. Statistics are per sample
    and in float32, also under autocast. Without structures this is exactly instance normalization.

    Args:
        num_features: C.
        num_structures: regions besides "others", which is region 0.
        num_styles: S; every style has its own gamma and beta.

    References:
        TANQ, Eq. 2 and 5; Yu et al., "Region Normalization for Image Inpainting", AAAI 2020, whose statistics we take
        per sample instead of per batch. Styles: Dumoulin et al., "A Learned Representation for Artistic Style",
        ICLR 2017; the paper has one.
    """

    def __init__(self, num_features: int, num_structures: int = 1, num_styles: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_styles, num_structures + 1, num_features))
        self.bias = nn.Parameter(torch.zeros(num_styles, num_structures + 1, num_features))

    def forward(
        self,
        x: Tensor,
        structures: Sequence[Structure] = (),
        style: Tensor | None = None,
        *,
        slope: float = 1.0,
        margin: int = 0,
        added: Tensor | None = None,
    ) -> Tensor:
        """Normalise ``x`` (B, C, H, W) in and outside the structures (regions 1, 2, ... in their order).

        Args:
            x: features.
            structures: as many as the layer has regions for.
            style: number of the style of every sample, int64 (B,), or (1,) for all; None is style 0.
            slope: of the result's values below 0.
            margin: pixels that mirror it.
            added: to the result.

        Raises:
            ValueError: when there are more or fewer structures.
        """
        num_structures = self.weight.shape[1] - 1
        if len(structures) != num_structures:
            raise ValueError(f"expected {num_structures} structures, got {len(structures)}")
        style = torch.zeros(1, dtype=torch.long, device=x.device) if style is None else style
        parameters = [self.weight[style], self.bias[style]]
        if not structures:
            return normalize(x, Recipe(_affine_slices, slope=slope, margin=margin), parameters, added)
        pixels, size = _all_pixels(structures), x.shape[2] * x.shape[3]
        if _few_others(structures, size).any():
            parameters.append(x)
        recipe = Recipe(partial(self._coefficients, structures, pixels, size), pixels, slope, margin)
        return normalize(x, recipe, parameters, added)

    def _coefficients(
        self,
        structures: Sequence[Structure],
        pixels: Pixels,
        size: int,
        mean: Tensor,
        variance: Tensor,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        features: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scale and shift (B, C) of the others, and the structures' new values (N, C).

        Args:
            structures: as in ``forward``.
            pixels: all of theirs.
            size: H W.
            mean: of whole slices, (B, C).
            variance: alike.
            values: of the structures' pixels, (N, C).
            weight: of the samples' styles, (B or 1, regions, C).
            bias: alike.
            features: x itself, where structures all but fill a slice.
        """
        gamma, beta = weight.unbind(dim=1), bias.unbind(dim=1)
        parts = torch.split(values, [len(s.pixels[0]) for s in structures])  # type: ignore[no-untyped-call]
        moments = [_moments(v, s) for v, s in zip(parts, structures, strict=True)]
        others = _moments_of_others(mean, variance, size, structures, moments)
        if features is not None:
            others = _exact_where_few(others, features.to(mean.dtype), structures, pixels)
        rewritten = []
        for region, (part, structure, own) in enumerate(zip(parts, structures, moments, strict=True), start=1):
            scale, shift = self._scale_and_shift(region, own, others)
            scale, shift = gamma[region] * scale, gamma[region] * shift + beta[region]
            sample = structure.pixels[0]
            rewritten.append(torch.addcmul(shift[sample], part, scale[sample]))
        scale, shift = self._scale_and_shift(0, others, others)
        return gamma[0] * scale, gamma[0] * shift + beta[0], torch.cat(rewritten)

    def _scale_and_shift(self, region: int, own: Moments, others: Moments) -> tuple[Tensor, Tensor]:
        """Of the normalization alone, (B, C) each, before gamma and beta."""
        return 1 / own.std, -own.mean / own.std


class RegionAdaptiveNorm(RegionNorm):
    r"""Region normalization in which some structures, as the VS, take on the statistics of their surroundings.

    .. math:: y = \gamma_{vs} \left[\frac{x - \mu_{vs}}{\sigma_{vs}} \sigma_{others} + \mu_{others}\right] + \beta_{vs}

    for the VS (RAIN, Eq. 6), with the statistics of the un-normalised features; cochlea and others as in
    :class:`RegionNorm`.

    Args:
        num_features: C.
        num_styles: S.
        num_structures: regions besides "others". By default they are VS and cochlea.
        adaptive: which of them, by number, take on the statistics of the others. By default the VS.

    References:
        TANQ, Eq. 6; Ling et al., "Region-aware Adaptive Instance Normalization", CVPR 2021.
    """

    def __init__(
        self, num_features: int, num_styles: int = 1, num_structures: int = 2, adaptive: Collection[int] = (1,)
    ) -> None:
        super().__init__(num_features, num_structures, num_styles)
        self.adaptive = frozenset(adaptive)

    def _scale_and_shift(self, region: int, own: Moments, others: Moments) -> tuple[Tensor, Tensor]:
        if region not in self.adaptive:
            return super()._scale_and_shift(region, own, others)
        gain = others.std / own.std
        return gain, others.mean - own.mean * gain


def _whole_slices(mean: Tensor, variance: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients of instance norm."""
    scale = (variance + EPS).rsqrt()
    return scale, -mean * scale, values


def _affine_slices(
    mean: Tensor, variance: Tensor, values: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Coefficients of a norm with affine parameters and without structures; weight and bias (B or 1, 1, C)."""
    scale, shift, values = _whole_slices(mean, variance, values)
    return weight[:, 0] * scale, weight[:, 0] * shift + bias[:, 0], values


def _apart(*masks: Tensor) -> list[Tensor]:
    """Without the pixels that a later one has, too."""
    own, taken = [masks[-1]], masks[-1]
    for mask in masks[-2::-1]:
        own.append(mask & ~taken)
        taken = taken | mask
    return own[::-1]


def _structure(mask: Tensor, min_pixels: int) -> Structure:
    counts = mask.sum(dim=(1, 2))
    mask = mask & (counts >= min_pixels)[:, None, None]
    sample, row, column = mask.nonzero(as_tuple=True)
    return Structure((sample, row, column), counts.where(counts >= min_pixels, 0).float())


def _all_pixels(structures: Sequence[Structure]) -> Pixels:
    """Of all structures, one after the other; none of them share a pixel."""
    sample, row, column = (torch.cat(numbers) for numbers in zip(*(s.pixels for s in structures), strict=True))
    return sample, row, column


def _moments(values: Tensor, structure: Structure) -> Moments:
    """Two passes over the gathered pixels (N, C): mean, then centred squares. Absent: mean 0, std sqrt(1e-5)."""
    sample, counts = structure.pixels[0], structure.counts.clamp(min=1)[:, None]
    zeros = values.new_zeros(len(counts), values.shape[1])
    mean = zeros.index_add(0, sample, values) / counts
    variance = zeros.index_add(0, sample, (values - mean[sample]).square()) / counts
    return Moments(mean, (variance + EPS).sqrt())


def _few_others(structures: Sequence[Structure], size: int) -> Tensor:
    """In which samples structures all but fill the ``size`` pixels of a slice, bool (B,)."""
    inside = torch.stack([structure.counts for structure in structures]).sum(dim=0)
    return (size * (1 - FEW) < inside) & (inside < size)


def _exact_where_few(others: Moments, features: Tensor, structures: Sequence[Structure], pixels: Pixels) -> Moments:
    """Two passes over the others themselves in samples that structures all but fill; ``others`` elsewhere."""
    few = _few_others(structures, features.shape[2] * features.shape[3])[:, None]
    mask = features.new_ones(len(features), 1, *features.shape[2:])
    sample, row, column = pixels
    mask[sample, 0, row, column] = 0
    count = mask.sum(dim=(2, 3)).clamp(min=1)
    mean = (features * mask).sum(dim=(2, 3)) / count
    variance = ((features - mean[..., None, None]).square() * mask).sum(dim=(2, 3)) / count
    std = (variance + EPS).sqrt()
    return Moments(torch.where(few, mean, others.mean), torch.where(few, std, others.std))


def _moments_of_others(
    mean: Tensor, variance: Tensor, pixels: int, structures: Sequence[Structure], moments: Sequence[Moments]
) -> Moments:
    """Mean and variance of whole slices with the structures taken off; the whole slice where nothing else is left."""
    count = mean.new_full((len(mean), 1), pixels)
    deviation, squares = torch.zeros_like(mean), variance * pixels  # sums of (x - mean) and its square
    for structure, own in zip(structures, moments, strict=True):
        n = structure.counts[:, None]
        count = count - n
        deviation = deviation - n * (own.mean - mean)
        squares = squares - n * (own.std.square() - EPS + (own.mean - mean).square())
    empty = count == 0
    count = count.clamp(min=1)
    offset = (deviation / count).masked_fill(empty, 0)
    rest = (squares / count - offset.square()).clamp(min=0)
    return Moments(mean + offset, (torch.where(empty, variance, rest) + EPS).sqrt())
