"""Slices of patients who have both contrasts, for supervised pretraining. The phantom makes such pairs.

Axes: channels (ceT1, label map, hrT2), H x W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from tanq_monai.choices.config import check_values
from tanq_monai.choices.kinds import Number
from tanq_monai.errors import InputError
from tanq_monai.scans.folder import Case, Listing, find_labelled
from tanq_monai.scans.grid import Grid
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDING, TARGET_DOMAIN
from tanq_monai.scans.volume import Volume, read_grid, read_volume
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.magnitude import to_magnitude
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import plan_slices
from tanq_monai.translation.slices import STEPS, Slices, SliceStore, check_crop, crop_and_flip


def find_pairs(folder: str | Path, structures: Structures = STRUCTURES) -> Listing:
    """The patients of ``folder`` with ``{case}_hrT2``, ``{case}_Label``, on its grid, and ``{case}_ceT1.nii.gz``.

    Args:
        folder: of the scans.
        structures: names and values of the labels.

    Returns:
        cases with ``image``, which is hrT2, ``label`` and ``ceT1``; voxels are not checked yet.

    Raises:
        InputError: when the folder does not exist or holds no hrT2.
    """
    hr_t2 = find_labelled(folder, suffixes=TARGET_DOMAIN, structures=structures)
    scan = Listing(problems=hr_t2.problems)
    for case in hr_t2.cases:
        path = Path(folder) / f"{case['case']}_ceT1{ENDING}"
        try:
            read_grid(path)
            scan.cases.append(case | {"ceT1": str(path)})
        except InputError as error:
            scan.problems.append(error)
    return scan


class PairStore(SliceStore):
    """Slices (3, H, W) of the cases of :func:`find_pairs`: ceT1 in [-1, 1], label map, hrT2 in [-1, 1].

    Both contrasts are cut alike, on the slices of hrT2, to which ceT1 is resampled where it has a grid of its own; the
    slices are centred on the head as ceT1 shows it, as in a translation.
    """

    def _cut(self, case: Case) -> NDArray[np.int16]:
        target = read_volume(case["image"])
        source = _on_grid(read_volume(case["ceT1"]), target.grid)
        if not source.any():
            raise InputError(case["ceT1"], "shows nothing where hrT2 lies", "give scans of one session")
        label = read_labels(case["label"], self.known, target.grid, "its image").labels
        grid = plan_slices(source, target.affine, self.size.pixels, self.size.pixel_mm, label, self.size.slab_mm)
        ce_t1, hr_t2 = (scale_to_unit_range(grid.to_slices(image)) * STEPS for image in (source, target.voxels))
        regions = to_regions(grid.to_slices(label, mode="nearest"), self.region_of)
        return np.rint(np.stack([ce_t1, regions, hr_t2], axis=1)).astype(np.int16)


@dataclass(frozen=True)
class Variation:
    """How much the look of ceT1 is varied, beyond what its sequences do. 0: not at all.

    Attributes:
        gamma: magnitudes in [0, 1] are raised to a power between exp(-gamma) and exp(gamma).
        bias: they are multiplied by a smooth field between exp(-bias) and exp(bias).
        noise: largest standard deviation of the noise added to them.
    """

    gamma: float = 0.4
    bias: float = 0.3
    noise: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what varies nothing.

        Raises:
            InputError: for a number below 0, or none.
        """
        check_values(vars(self), dict.fromkeys(vars(self), Number(0, 10)))


class PairedSlices(Dataset[dict[str, Tensor]]):
    """Slices of both contrasts of one patient, cropped and flipped alike, the look of ceT1 varied.

    Order, crops, flips and looks follow from ``seed``, epoch and index alone, as in
    :class:`tanq_monai.translation.slices.UnpairedSlices`.

    Args:
        pairs: slices (3, H, W).
        crop: pixels, both ways.
        variation: of ceT1.
        seed: of everything random.

    Raises:
        InputError: when the crop is larger than the slices, or no multiple of 4.
    """

    def __init__(self, pairs: Slices, crop: int, variation: Variation | None = None, seed: int = 0) -> None:
        check_crop(crop, pairs[0])
        self.pairs, self.crop, self.seed = pairs, crop, seed
        self.variation = variation or Variation()

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        """Of (epoch, index): ``image`` (2, crop, crop), ceT1 and label map; ``target_domain`` (1, crop, crop), hrT2."""
        epoch, index = place
        number = int(np.random.default_rng([self.seed, epoch]).permutation(len(self))[index])
        rng = np.random.default_rng([self.seed, epoch, index])
        slice_ = crop_and_flip(self.pairs[number], self.crop, rng)
        source = vary(slice_[:1], self.variation, rng)
        return {
            "image": torch.cat([source, slice_[1:2]]),
            "target_domain": slice_[2:],
            "style": torch.tensor(int(self.pairs.styles[number])),
        }


def vary(image: Tensor, variation: Variation, rng: np.random.Generator) -> Tensor:
    """``image`` (1, H, W) in [-1, 1] with another gamma, coil shading and noise; clipped to [-1, 1]."""
    power = float(np.exp(rng.uniform(-variation.gamma, variation.gamma)))
    knots = torch.from_numpy(rng.uniform(-variation.bias, variation.bias, (1, 1, 3, 3))).float()
    sigma = float(rng.uniform(0, variation.noise))
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    field = F.interpolate(knots, image.shape[-2:], mode="bilinear", align_corners=True)[0].exp()
    magnitude = to_magnitude(image) ** power * field + sigma * noise
    return magnitude.abs().clamp(max=1) * 2 - 1  # noise of a magnitude image has no sign


def _on_grid(volume: Volume, wanted: Grid) -> NDArray[np.generic]:
    """The voxels of ``volume`` at those of another grid, linearly; 0 outside. Unchanged where it has that grid."""
    if volume.grid.is_same(wanted):
        return volume.voxels
    index = np.linalg.inv(volume.affine) @ wanted.affine
    resampled: NDArray[np.float32] = ndimage.affine_transform(
        volume.voxels.astype(np.float32), index[:3, :3], index[:3, 3], output_shape=wanted.shape, order=1
    )
    return resampled
