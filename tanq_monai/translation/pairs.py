"""Slices of patients who have both contrasts, to validate translators on. The phantom makes such pairs.

Axes: channels (ceT1, label map, hrT2), H x W pixels.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.scans.folder import Case, Listing, find_labelled
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDING, TARGET_DOMAIN
from tanq_monai.scans.volume import read_grid, read_volume
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import plan_slices
from tanq_monai.translation.slices import STEPS, SliceStore


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
        source = read_volume(case["ceT1"]).on(target.grid)
        if not source.any():
            raise InputError(case["ceT1"], "shows nothing where hrT2 lies", "give scans of one session")
        label = read_labels(case["label"], self.known, target.grid, "its image").labels
        grid = plan_slices(source, target.affine, self.size.pixels, self.size.pixel_mm, label, self.size.slab_mm)
        ce_t1, hr_t2 = (scale_to_unit_range(grid.to_slices(image)) * STEPS for image in (source, target.voxels))
        regions = to_regions(grid.to_slices(label, mode="nearest"), self.region_of)
        return np.rint(np.stack([ce_t1, regions, hr_t2], axis=1)).astype(np.int16)
