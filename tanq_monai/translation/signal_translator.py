"""Pseudo-hrT2 without any training: ceT1 read as a mixture of tissues, whose hrT2 the signal equations tell.

Axes: B slices of H x W pixels. Levels are ceT1 magnitudes as parts of the brain's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from tanq_monai.errors import InputError
from tanq_monai.phantom.scanner.sequences import LONDON_FLASH, Protocol, signal
from tanq_monai.phantom.tissues import ENHANCED, NATIVE, Kind, at_field
from tanq_monai.structures import REGIONS, Regions

# Tissues in the order of their ceT1 signal; a level between two of them is a mixture of just these.
_INSIDE = (Kind.AIR, Kind.BONE, Kind.CSF, Kind.GRAY_MATTER, Kind.WHITE_MATTER, Kind.ENHANCING, Kind.BLOOD)
_OUTSIDE = (Kind.AIR, Kind.BONE, Kind.MUSCLE, Kind.MUCOSA, Kind.FAT)
_TUMOR = (Kind.VS_CYST, Kind.VS_PALE, Kind.VS)
_SEQUENCES = ("balanced", "spin_echo", "spin_echo_restore")
_EMPTY = 0.12  # levels below are noise in air and bone
_SOFT = 0.45  # levels above are brain, or as bright; CSF and bone are darker
_CORE_MM = 2.5  # half as wide as what joins the brain to other tissue is at most
_CLOSED_MM = 9.0  # the same of cisterns between parts of the brain
_BRIGHTEST = 0.9  # magnitude of CSF
_MARGIN = 0.6  # mm: standard deviation of the blur of the edge between inside and outside

Levels = NDArray[np.float64]
Mask = NDArray[np.bool_]


class SignalTranslator(nn.Module):
    """Called like a translator's network, without weights: ``network(slices (B, 2, H, W), style)``.

    Inside the skull a pixel's ceT1 level lies between those of two neighbours among void, CSF, grey and white matter,
    what enhances, and vessels; outside between those of void, muscle, mucosa and fat; in a VS between cyst, loose and
    dense tumor. It is taken for the mixture of the two that has its level, and gets the signal of that mixture. The
    cochlea is half fluid, half modiolus, less where ceT1 shows bone. The brain's level is its own median: scalings do
    not matter.

    Args:
        pixel_mm: mm per pixel of the slices.
        protocols: of hrT2, one for each style: ``{sequence, tr, te, flip_angle, tesla, gadolinium}``, ms and degrees;
            sequence ``balanced`` (CISS, FIESTA-C, bFFE), ``spin_echo`` (TSE, SPACE, CUBE) or ``spin_echo_restore``;
            gadolinium false: hrT2 was scanned before the contrast agent. ceT1 is taken for London's FLASH.
        regions: of the slices' maps; it knows the signals of VS and cochlea alone.

    Raises:
        InputError: for a protocol that is none.

    References:
        Signal equations: :mod:`tanq_monai.phantom.scanner.sequences`. A voxel as a mixture of two tissues is our own.
    """

    def __init__(self, pixel_mm: float, protocols: Sequence[Mapping[str, Any]], regions: Regions = REGIONS) -> None:
        super().__init__()
        self.pixel_mm, self.protocols, self.regions = pixel_mm, protocols, regions
        self.looks = [_Look(LONDON_FLASH, _protocol(one)) for one in protocols]

    @property
    def facts(self) -> dict[str, Any]:
        """What its translations follow from, besides the scan; asked for before it is used.

        Raises:
            InputError: when there are structures whose signals it does not know.
        """
        foreign = [name for name in self.regions.norms if name not in REGIONS.norms]
        if foreign:
            problem = f"knows the signals of {' and '.join(REGIONS.norms)} alone, not of {foreign[0]}"
            raise InputError("used_views: signal", problem, "choose views that are trained")
        return {"protocols": [dict(one) for one in self.protocols]}

    def forward(self, slices: Tensor, style: Tensor | None = None) -> Tensor:
        """Slices (B, 2, H, W), image in [-1, 1] and regions -> pseudo-hrT2 (B, 1, H, W) in [-1, 1]."""
        images = (np.asarray(slices[:, 0].float().cpu(), np.float64) + 1) / 2
        regions = np.rint(np.asarray(slices[:, 1].float().cpu())).astype(np.uint8)
        styles = [0] * len(images) if style is None else np.broadcast_to(np.asarray(style.cpu()), len(images))
        made = [
            self.looks[int(number)].translate(image, region, self.pixel_mm)
            for image, region, number in zip(images, regions, styles, strict=True)
        ]
        return torch.from_numpy(np.stack(made)[:, None].astype(np.float32) * 2 - 1).to(slices.device)


class _Look:
    """From ceT1 levels to hrT2 magnitudes of one protocol: a line through the tissues' points for every compartment."""

    def __init__(self, source: Protocol, target: Protocol) -> None:
        before, after = (at_field(ENHANCED if one.gadolinium else NATIVE, one.tesla) for one in (source, target))
        brain = (signal(before[Kind.WHITE_MATTER], source) + signal(before[Kind.GRAY_MATTER], source)) / 2
        fluid = signal(after[Kind.CSF], target) / _BRIGHTEST
        level = {kind: signal(before[kind], source) / brain for kind in Kind} | {Kind.BONE: _EMPTY}
        value = {kind: signal(after[kind], target) / fluid for kind in Kind} | {Kind.BONE: 0.0}
        self.inside, self.outside, self.tumor = (
            _line([level[kind] for kind in kinds], [value[kind] for kind in kinds])
            for kinds in (_INSIDE, _OUTSIDE, _TUMOR)
        )
        self.cochlea = (value[Kind.COCHLEA] + value[Kind.MODIOLUS]) / 2  # its turns are thinner than voxels

    def translate(self, image: Levels, regions: NDArray[np.uint8], pixel_mm: float) -> Levels:
        """A slice (H, W) of magnitudes in [0, 1] with its regions -> hrT2 magnitudes in [0, 1]."""
        head = _head(image)
        if not head.any():
            return np.zeros_like(image)
        brain, level = _find_brain(image, head, pixel_mm)
        parts = image / level
        share = ndimage.gaussian_filter(brain.astype(float), _MARGIN / pixel_mm)
        made = share * self.inside(parts) + (1 - share) * self.outside(parts)
        made = np.where(regions == REGIONS.numbers["VS"], self.tumor(parts), made)
        bony = np.clip((parts - _EMPTY) / _EMPTY, 0.5, 1)  # on ceT1 a cochlea is as dark as CSF, its walls are darker
        made = np.where(regions == REGIONS.numbers["cochlea"], self.cochlea * bony, made)
        magnitudes: Levels = np.clip(made, 0, 1)
        return magnitudes


def _protocol(settings: Mapping[str, Any]) -> Protocol:
    remedy = f"give {{sequence: {' or '.join(_SEQUENCES)}, tr: 2700, te: 160}}, flip_angle too where it is not 90"
    if settings.get("sequence") not in _SEQUENCES:
        raise InputError("signal_protocols", f"{settings.get('sequence')!r} is no sequence of hrT2", remedy)
    try:
        return Protocol(name="given", contrast="hrT2", **settings)
    except (TypeError, ValueError) as error:
        raise InputError("signal_protocols", f"{dict(settings)} is no protocol ({error})", remedy) from error


def _line(levels: Sequence[float], values: Sequence[float]) -> Callable[[Levels], Levels]:
    """Piecewise linear through the points, in the order of their levels."""
    order = np.argsort(levels)
    xs, ys = np.asarray(levels)[order], np.asarray(values)[order]

    def along(parts: Levels) -> Levels:
        interpolated: Levels = np.interp(parts, xs, ys)
        return interpolated

    return along


def _head(image: Levels) -> Mask:
    """What is brighter than air, filled."""
    bright = image > 0.08
    head: Mask = ndimage.binary_fill_holes(ndimage.binary_opening(bright, iterations=2))
    return head


def _find_brain(image: Levels, head: Mask, pixel_mm: float) -> tuple[Mask, float]:
    """The inside of the skull, CSF included, and the brain's level; below the skull base nothing is inside.

    Brain is the largest piece of soft tissue about the middle of the head that is left when what is thin is taken away.
    A lobe that hangs together with no other part of it in a slice is missed, and so is fluid wider than 18 mm beside.
    """
    level = float(np.median(image[head & (image > 0.15)])) if (head & (image > 0.15)).any() else 1.0
    nothing = np.zeros_like(head)
    for _ in range(2):  # the second time with the brain's own level
        soft = head & (image > _SOFT * level)
        core = ndimage.distance_transform_edt(soft) * pixel_mm > _CORE_MM
        pieces, number = ndimage.label(core)
        if not number:
            return nothing, level
        weight = _about_the_middle(head)
        largest = int(np.argmax(ndimage.sum_labels(weight, pieces, range(1, number + 1)))) + 1
        core = pieces == largest
        level = float(np.median(image[core]))
    grown = ndimage.distance_transform_edt(~core) * pixel_mm <= _CORE_MM
    brain = grown & soft
    near = ndimage.distance_transform_edt(~brain) * pixel_mm <= _CLOSED_MM
    closed = ndimage.distance_transform_edt(near) * pixel_mm > _CLOSED_MM
    inside: Mask = ndimage.binary_fill_holes(brain | (closed & head))
    return inside, level


def _about_the_middle(head: Mask) -> Levels:
    """A weight that falls from the middle of the head to its outline."""
    depth: Levels = ndimage.distance_transform_edt(head)
    return (depth / max(float(depth.max()), 1.0)) ** 2
