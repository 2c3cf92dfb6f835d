"""Levels of structures drawn anew for every patch: a translation settles on one of those that a protocol allows."""

from collections.abc import Collection, Mapping, Sequence

import torch
from batchgeneratorsv2.transforms.base.basic_transform import ImageOnlyTransform
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor
from torch.nn import functional as F

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.patches import PatchLoader
from tanq_monai.structures import Structures, region_of

Range = Sequence[float]
Labels = tuple[int, ...]
_DARK, _FLUID = 0.005, 0.995  # shares of a patch's voxels below 0 and below 1


class RandomLevels(ImageOnlyTransform):  # type: ignore[misc]
    r"""Shifts every labelled structure of a patch to a mean level from its range; levels count from dark 0 to fluid 1.

    .. math:: y = x + w \frac{l (b - d) + d - \bar{x}}{\bar{w}}, \quad l \sim U(\text{lowest}, \text{highest})

    with the means over the structure, d and b the patch's percentiles .5 and 99.5, and w the share of the structure in
    the 3 x 3 (x 3) voxels about a voxel, 0 in other structures: its texture stays, and the shift fades out over a voxel
    as partial volume does, so that no edge tells where the label ends.

    Args:
        protocols: one is drawn for a patch; each has the label values of a structure with its lowest and highest level.
        patches: the loader that it augments for.
        real: names of cases of it that keep their levels: a shift of real scans would confirm a wrong pseudo-label.

    References:
        The idea is TBA's (LaTIM, crossMoDA 2022), which scales the tumor against its surroundings; the ranges of a
        protocol, as in :mod:`tanq_monai.losses.levels`, and the blending are ours.
    """

    def __init__(
        self,
        protocols: Sequence[Mapping[Labels, Range]],
        patches: PatchLoader | None = None,
        real: Collection[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.protocols, self.patches, self.real = protocols, patches, real

    def get_parameters(self, **data: Tensor) -> dict[str, Tensor]:
        """The label map, which is not changed."""
        return {"labels": data["segmentation"][:1]}

    def _apply_to_image(self, image: Tensor, labels: Tensor, **_: object) -> Tensor:
        """(C, y, x) or (C, z, y, x), floats; every channel by itself, all by the same draws."""
        if self.patches is not None and self.patches.case in self.real:
            return image
        ranges = self.protocols[int(torch.randint(len(self.protocols), ()))]
        masks = {values: torch.isin(labels, torch.tensor(values)) for values in ranges}
        shifts = torch.zeros_like(image)
        for (low, high), mask in zip(ranges.values(), masks.values(), strict=True):
            level = low + (high - low) * torch.rand(())
            if not mask.any():
                continue
            weight = _blended(mask.to(image.dtype)) * (mask | (labels <= 0))
            for number, values in enumerate(image):
                dark, fluid = (_percentile(values, share) for share in (_DARK, _FLUID))
                shift = level * (fluid - dark) + dark - values[mask[0]].mean()
                shifts[number] += weight[0] * shift / weight[mask].mean()
        return image + shifts


def draw_levels(
    patches: PatchLoader,
    level_ranges: Sequence[Mapping[str, Range]] | None,
    structures: Structures,
    real: Collection[str] = frozenset(),
) -> None:
    """Let nnU-Net's augmentation, changed in place, draw levels for every patch before anything that a scanner does.

    Args:
        patches: the loader, with its augmentation.
        level_ranges: by protocol: lowest and highest level of structures, or of what they are parts of, by name. None:
            levels stay as they are.
        structures: names and label values.
        real: names of cases that keep their levels.

    Raises:
        InputError: for a name of none of them.
    """
    if level_ranges is None:
        return
    protocols = [
        {_values_of(name, structures): (low, high) for name, (low, high) in ranges.items()} for ranges in level_ranges
    ]
    steps = patches.transforms.transforms
    first = next(number for number, step in enumerate(steps) if isinstance(step, RandomTransform))
    steps.insert(first, RandomLevels(protocols, patches, real))


def _values_of(name: str, structures: Structures) -> Labels:
    values = tuple(value for one, value in structures.items() if name in (one, region_of(one)))
    if not values:
        raise InputError("level_ranges", f"{name!r} is none of the structures", f"name {', '.join(structures)}")
    return values


def _blended(mask: Tensor) -> Tensor:
    """The share of a mask (1, [z,] y, x) in the voxels about each."""
    pool = F.avg_pool2d if mask.ndim == 3 else F.avg_pool3d
    return pool(mask[None], 3, stride=1, padding=1)[0]


def _percentile(values: Tensor, share: float) -> Tensor:
    return values.flatten().kthvalue(1 + round(share * (values.numel() - 1))).values
