"""Training data of the translators: axial slices of both domains, cut from the volumes once and kept on disk.

Axes: 2 channels (image in [-1, 1], map of the translator's regions), H x W pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import file_stamps, replacing
from tanq_monai.scans.folder import Case, problems_of, style_of
from tanq_monai.scans.grid import STORED
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_grid, read_volume
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import plan_slices, slice_heights

Heights = NDArray[np.floating]
STEPS = 32767  # of the image on disk, int16: finer than any scanner's 12 bits
LABEL = 1  # channel of the label map; all others are images
_HEIGHT_MM = 3.0  # a slice is paired with those of the other domain that lie this close


@dataclass(frozen=True)
class SliceSize:
    """Size of a slice, how much of the head is used, and what its labels are.

    Attributes:
        pixels: both ways.
        pixel_mm: mm per pixel.
        slab_mm: height round the structures; without label round the volume's middle.
        structures: names and values of the scans' labels, which slices show as regions of the translator, see
            :meth:`tanq_monai.structures.Structures.regions`.
    """

    pixels: int = 256
    pixel_mm: float = 0.41
    slab_mm: float | None = 60.0
    structures: Structures = STRUCTURES


class Slices(Protocol):
    """Slices of one domain.

    Attributes:
        heights: mm above the middle of the slab, one per slice.
        styles: number of the hrT2 style, one per slice.
    """

    heights: Heights
    styles: NDArray[np.int64]

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Tensor:
        """(2, H, W), a copy of its own."""


class SliceStore:
    """The slices of all scans of one domain.

    The headers alone say how many there are. A scan is read, checked, resampled and scaled when the first of its slices
    is asked for, and its slices stay on disk, from where each is read when its turn comes: training starts at once,
    whatever the number of scans, and needs no more memory, open files or maps for more of them.

    Args:
        cases: dicts with ``case``, ``image`` and perhaps ``label``; without label the label map is 0.
        size: of the slices, and what their labels are.
        folder: keeps a file for each scan; one that fits neither scan nor size any more is not used again.
        styles: parts of the cases' names, see :func:`tanq_monai.scans.folder.style_of`.

    Raises:
        InputError: for structures without a norm or not numbered 1, 2, 3, ..., a header that cannot be read, or a name
            without style; when a slice is asked for, for a scan or label that cannot be used.
    """

    def __init__(
        self, cases: Sequence[Case], size: SliceSize, folder: str | Path, styles: Sequence[str] = ("",)
    ) -> None:
        self.cases, self.size, self.folder = list(cases), size, Path(folder)
        self.known, self.region_of = size.structures.numbered(), size.structures.regions().of_values
        grids = [read_grid(case["image"]) for case in self.cases]
        heights = [slice_heights(grid.shape, grid.affine, size.slab_mm) for grid in grids]
        self.heights = np.concatenate(heights)
        self.styles = np.repeat([style_of(case["case"], styles) for case in self.cases], [len(h) for h in heights])
        self._first = [0, *accumulate(len(h) for h in heights)]
        self._written: dict[int, Path] = {}

    def __len__(self) -> int:
        return len(self.heights)

    def __getitem__(self, index: int) -> Tensor:
        """(2, H, W): image in [-1, 1], label map."""
        scan = int(np.searchsorted(self._first, index, side="right")) - 1
        of_scan = np.load(self._slices_of(scan), mmap_mode="r")
        slices = torch.from_numpy(of_scan[index - self._first[scan]].astype(np.float32))
        slices[[channel for channel in range(len(slices)) if channel != LABEL]] /= STEPS
        return slices

    def require_structures(self, slices: int = 2) -> None:
        """Read labels until ``slices`` slices with a structure are found: normally one.

        Raises:
            InputError: when there are not as many.
        """
        found = 0
        for case in self.cases:
            label, grid = read_labels(case["label"], self.known, read_grid(case["image"]), "its image")
            upright, _ = grid.turned(label, STORED)
            found += int((upright > 0).any(axis=(0, 1)).sum())
            if found >= slices:
                return
        folder = Path(self.cases[0]["label"]).parent
        problem = f"has {found} slice{'' if found == 1 else 's'} with a structure in all its labels"
        raise InputError(folder, problem, "add labelled scans")

    def _slices_of(self, number: int) -> Path:
        """The file of a scan, which is written first where it is not there."""
        if number not in self._written:
            file = self._file(self.cases[number])
            if not file.exists():
                self._prepare(number)
            self._written[number] = file
        return self._written[number]

    def _prepare(self, number: int) -> None:
        """Write the slices of a scan; where it cannot be used, say so of all the others that cannot, too."""
        try:
            slices = self._cut(self.cases[number])
        except InputError as error:
            others = [case for case in self.cases if case is not self.cases[number] and not self._file(case).exists()]
            shown = tqdm(others, desc="checking the other scans", unit="scan")
            raise InputErrors([error, *problems_of(shown, self.size.structures)]) from error
        with replacing(self._file(self.cases[number])) as temporary, temporary.open("wb") as stream:
            np.save(stream, slices)

    def _cut(self, case: Case) -> NDArray[np.int16]:
        """The slices of a scan as they lie on disk, (Z, 2, H, W)."""
        size, scan, label = self.size, read_volume(case["image"]), None
        if "label" in case:
            label = read_labels(case["label"], self.known, scan.grid, "its image").labels
        grid = plan_slices(scan.voxels, scan.affine, size.pixels, size.pixel_mm, label, size.slab_mm)
        image = scale_to_unit_range(grid.to_slices(scan.voxels)) * STEPS
        labels = np.zeros_like(image) if label is None else grid.to_slices(label, mode="nearest")
        return np.rint(np.stack([image, to_regions(labels, self.region_of)], axis=1)).astype(np.int16)

    @property
    def stamp(self) -> str:
        """Of all scans and labels as they are now, wherever their folder lies."""
        stamps = [(Path(name).name, *rest) for case in self.cases for name, *rest in file_stamps(_sources(case))]
        return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]

    def _file(self, case: Case) -> Path:
        """Named by what its content follows from: the files as they are now, and the size."""
        key = hashlib.sha256(repr((file_stamps(_sources(case)), astuple(self.size))).encode()).hexdigest()[:16]
        return self.folder / f"{case['case']}-{key}.npy"


class UnpairedSlices(Dataset[dict[str, Tensor]]):
    """Pairs slices of the two domains that lie at the same height; an epoch is one pass over the larger domain.

    Both domains then show the discriminator the same parts of the head, and the translator has no reason to invent or
    to drop any. Pairs, crops and flips follow from ``seed``, epoch and index alone, so that a resumed run, and every
    worker of a loader, sees what the first would have seen.

    Args:
        source: labelled ceT1.
        target_domain: hrT2.
        crop: pixels, both ways, of the crop drawn for image and label at once.
        seed: of everything random.

    Raises:
        InputError: when the crop is larger than the slices, or no multiple of 4.
    """

    def __init__(self, source: Slices, target_domain: Slices, crop: int, seed: int = 0) -> None:
        check_crop(crop, source[0], target_domain[0])
        self.source, self.target_domain = source, target_domain
        self.crop, self.seed = crop, seed
        self._epoch, self._pairs = -1, np.empty((2, 0), dtype=np.int64)

    def __len__(self) -> int:
        return max(len(self.source), len(self.target_domain))

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        """Of (epoch, index): ``image`` and ``target_domain``, each (2, crop, crop), and ``style``, the latter's."""
        epoch, index = place
        source, target = (int(number) for number in self._pairs_of(epoch)[:, index])
        rng = np.random.default_rng([self.seed, epoch, index])
        return {
            "image": crop_and_flip(self.source[source], self.crop, rng),
            "target_domain": crop_and_flip(self.target_domain[target], self.crop, rng),
            "style": torch.tensor(int(self.target_domain.styles[target])),
        }

    def _pairs_of(self, epoch: int) -> NDArray[np.int64]:
        """Numbers of the source and the target slices of an epoch, (2, len)."""
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            larger, smaller = self.source.heights, self.target_domain.heights
            swapped = len(smaller) > len(larger)
            if swapped:
                larger, smaller = smaller, larger
            order = rng.permutation(len(larger))
            pairs = np.stack([order, _partners(larger[order], smaller, rng)])
            self._epoch, self._pairs = epoch, pairs[::-1] if swapped else pairs
        return self._pairs


def check_crop(crop: int, *slices: Tensor) -> None:
    """Raise :class:`InputError` unless slices (..., H, W) have ``crop`` pixels, a multiple of 4."""
    pixels = min(length for slice_ in slices for length in slice_.shape[-2:])
    if crop > pixels:
        raise InputError(f"crop {crop}", f"is larger than a slice of {pixels} pixels", "choose a smaller crop")
    if crop % 4:
        raise InputError(f"crop {crop}", "is no multiple of 4", f"choose {crop // 4 * 4}")


def crop_and_flip(slice_: Tensor, crop: int, rng: np.random.Generator) -> Tensor:
    """A random part (C, crop, crop) of a slice (C, H, W), half of the time flipped left-right, all channels alike."""
    top, left = rng.integers(0, np.array(slice_.shape[1:]) - crop + 1)
    cropped = slice_[:, top : top + crop, left : left + crop]
    return cropped.flip(-1) if rng.random() < 0.5 else cropped.clone()


def _partners(wanted: Heights, heights: Heights, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each height one of the slices at about that height, or of the nearest; all of them about equally often."""
    used = np.zeros(len(heights))
    partners = np.empty(len(wanted), dtype=np.int64)
    for number, height in enumerate(wanted):
        distance = np.abs(heights - height)
        near = np.flatnonzero(distance <= max(_HEIGHT_MM, distance.min()))
        least_used = near[used[near] == used[near].min()]
        partners[number] = rng.choice(least_used)
        used[partners[number]] += 1
    return partners


def _sources(case: Case) -> list[str]:
    return [case[key] for key in ("image", "label", "ceT1") if key in case]
