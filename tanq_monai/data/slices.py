"""Training data of the translators: axial slices of both domains, unpaired."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from tanq_monai.data.cases import Case
from tanq_monai.data.volumes import read_volume
from tanq_monai.errors import InputError
from tanq_monai.transforms.geometry import plan_slices
from tanq_monai.transforms.intensity import scale_to_unit_range


@dataclass(frozen=True)
class SliceSize:
    """Size of a slice, and how much of the head is used.

    Attributes:
        pixels: both ways.
        pixel_mm: mm per pixel.
        slab_mm: height round the structures; without label round the volume's middle.
    """

    pixels: int = 256
    pixel_mm: float = 0.41
    slab_mm: float | None = 60.0


def load_slices(cases: Sequence[Case], size: SliceSize, description: str = "slices") -> Tensor:
    """All slices of all cases: (N, 2, H, W), image in [-1, 1] and label map (0 where a case has no label)."""
    return torch.cat([_load(case, size) for case in tqdm(cases, desc=description, unit="scan")])


class UnpairedSlices(Dataset[dict[str, Tensor]]):
    """Pairs a slice of each domain at random; an epoch is one pass over the larger domain.

    Pairs and flips follow from ``seed`` and the epoch alone, so that a resumed run sees what the first would have seen.

    Args:
        source: (N, 2, H, W), see :func:`load_slices`.
        target_domain: (M, 2, H, W).
        crop: pixels, both ways, of the crop drawn for image and label at once.
        seed: of everything random.

    Raises:
        InputError: when the crop is larger than the slices.
    """

    def __init__(self, source: Tensor, target_domain: Tensor, crop: int, seed: int = 0) -> None:
        pixels = min(*source.shape[2:], *target_domain.shape[2:])
        if crop > pixels:
            raise InputError(f"crop {crop}", f"is larger than a slice of {pixels} pixels", "choose a smaller crop")
        self.source, self.target_domain = source, target_domain
        self.crop, self.seed = crop, seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of an epoch."""
        self.epoch = epoch
        rng = np.random.default_rng([self.seed, epoch])
        self._source_order = _order(len(self.source), len(self), rng)
        self._target_order = _order(len(self.target_domain), len(self), rng)

    def __len__(self) -> int:
        return max(len(self.source), len(self.target_domain))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``image`` and ``target_domain``, each (2, crop, crop)."""
        rng = np.random.default_rng([self.seed, self.epoch, index])
        return {
            "image": self._augment(self.source[self._source_order[index]], rng),
            "target_domain": self._augment(self.target_domain[self._target_order[index]], rng),
        }

    def _augment(self, slice_: Tensor, rng: np.random.Generator) -> Tensor:
        """Crop and flip left-right; image and label are two channels of one tensor, so both alike."""
        top, left = rng.integers(0, np.array(slice_.shape[1:]) - self.crop + 1)
        cropped = slice_[:, top : top + self.crop, left : left + self.crop]
        return cropped.flip(-1) if rng.random() < 0.5 else cropped.clone()


def _order(available: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    rounds = [rng.permutation(available) for _ in range(-(-wanted // available))]
    return np.concatenate(rounds)[:wanted]


def _load(case: Case, size: SliceSize) -> Tensor:
    array, affine = read_volume(case["image"])
    label = read_volume(case["label"])[0] if "label" in case else None
    grid = plan_slices(array, affine, size.pixels, size.pixel_mm, label, size.slab_mm)
    image = scale_to_unit_range(grid.to_slices(array))
    structures = torch.zeros_like(image) if label is None else grid.to_slices(label, mode="nearest")
    return torch.stack([image, structures], dim=1)
