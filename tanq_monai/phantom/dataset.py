"""A folder of virtual patients in the layout of crossMoDA 2022."""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tanq_monai.errors import InputError
from tanq_monai.files import replacing
from tanq_monai.phantom.acquisition import make_grid, render
from tanq_monai.phantom.patient import draw_patient
from tanq_monai.phantom.protocols import MATRICES, SITES, SIZES, Contrast, Site, draw_grid, draw_protocol
from tanq_monai.phantom.sequences import LONDON_CISS, LONDON_FLASH

_NAMES: dict[Site, str] = {"ldn": "crossmoda2021_ldn_{}", "etz": "crossmoda2022_etz_{}"}
_FIRST_NUMBER = {("source", "ldn"): 1, ("source", "etz"): 0, ("target", "ldn"): 106, ("target", "etz"): 105,
                 ("test", "ldn"): 211, ("test", "etz"): 210}  # fmt: skip
_SETS = ("source", "target", "test")


@dataclass(frozen=True)
class Case:
    """One patient of the data set: ``subset`` is source, target or test, ``index`` its place in it."""

    subset: str
    index: int

    @property
    def site(self) -> Site:
        """London and Tilburg take turns."""
        return SITES[self.index % 2]

    @property
    def name(self) -> str:
        """File name without contrast and ending, numbered as crossMoDA numbers the subset."""
        number = _FIRST_NUMBER[self.subset, self.site] + self.index // 2
        return _NAMES[self.site].format(number)

    @property
    def contrast(self) -> Contrast:
        """Source patients are scanned with ceT1, all others with hrT2."""
        return "ceT1" if self.subset == "source" else "hrT2"

    def paths(self, root: Path) -> tuple[Path, Path]:
        """Files of the image and of its label."""
        folder = {"source": "training_source", "target": "training_target", "test": "validation"}[self.subset]
        labels = root / folder if self.subset == "source" else root / "withheld_labels" / folder
        return root / folder / f"{self.name}_{self.contrast}.nii.gz", labels / f"{self.name}_Label.nii.gz"


def write_dataset(
    output_dir: str | Path, num_source: int, num_target: int, num_test: int, size: str, seed: int
) -> None:
    """Write labelled ceT1, unlabelled hrT2, and test hrT2 of different patients; hrT2 labels lie apart.

    ``training_source`` holds ceT1 and labels, ``training_target`` and ``validation`` hrT2, and
    ``withheld_labels`` the labels of the latter two. A case depends on the seed, its subset and its place
    only, so that more cases leave the first ones as they are. Existing files are replaced.

    Args:
        output_dir: made if absent.
        num_source: patients with ceT1.
        num_target: patients with hrT2 for training.
        num_test: patients with hrT2 for scoring.
        size: ``tiny``, ``small`` or ``full`` (the scanners' own matrices).
        seed: the same one gives the same bytes.

    Raises:
        InputError: when a number is negative, the size unknown, or the folder cannot be written.
    """
    numbers = {"source": num_source, "target": num_target, "test": num_test}
    _check(numbers, size, seed)
    root = Path(output_dir)
    cases = [Case(subset, index) for subset in _SETS for index in range(numbers[subset])]
    _make_folders(root, cases)
    for case in tqdm(cases, desc="virtual patients", unit="scan"):
        image, label, affine = render_case(case, size, seed)
        image_path, label_path = case.paths(root)
        write_nifti(image_path, image, affine)
        write_nifti(label_path, label.astype(np.float64), affine)


def render_case(case: Case, size: str, seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.float64]]:
    """Image, label map and affine of one case."""
    patient_seed, scan_seed = np.random.SeedSequence([seed, _SETS.index(case.subset), case.index]).spawn(2)
    rng = np.random.default_rng(scan_seed)
    protocol = draw_protocol(rng, case.site, case.contrast)
    grid = draw_grid(rng, size, case.site, case.contrast)
    image, label = render(draw_patient(patient_seed), protocol, grid, rng)
    return image, label, grid.affine


def render_pair(seed: int, size: str = "tiny") -> dict[str, NDArray[np.generic]]:
    """The same patient in London's ceT1 (FLASH) and hrT2 (CISS) on one common grid: what no data set has.

    Returns:
        ``ceT1`` and ``hrT2`` (int16), ``label`` (uint8), ``affine`` (4, 4).
    """
    matrix = MATRICES[size, "ldn", "hrT2"]
    grid = make_grid(
        matrix.shape,
        matrix.spacing,
        center=matrix.center,
        factor=matrix.factor,
        ear_factor=matrix.ear_factor,
    )
    patient_seed, first, second = np.random.SeedSequence([seed, len(_SETS)]).spawn(3)
    patient = draw_patient(patient_seed)
    ce_t1, label = render(patient, LONDON_FLASH, grid, np.random.default_rng(first))
    hr_t2, _ = render(patient, LONDON_CISS, grid, np.random.default_rng(second))
    return {"ceT1": ce_t1, "hrT2": hr_t2, "label": label, "affine": grid.affine}


def write_nifti(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write ``.nii.gz`` in the array's dtype, at once or not at all; equal input gives equal bytes."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    with replacing(path) as temporary, temporary.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        packed.write(image.to_bytes())


def _check(numbers: dict[str, int], size: str, seed: int) -> None:
    for name, number in numbers.items():
        if number < 0:
            raise InputError(f"num_{name}", f"is {number}", "give 0 or more patients")
    if size not in SIZES:
        raise InputError("size", f"{size!r} is unknown", f"choose one of {', '.join(SIZES)}")
    if seed < 0:
        raise InputError("seed", f"is {seed}", "give 0 or more")


def _make_folders(root: Path, cases: list[Case]) -> None:
    folders = {path.parent for case in cases for path in case.paths(root)} | {root}
    for folder in sorted(folders):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError(folder, "is a file", "give the name of a folder") from error
        except OSError as error:
            raise InputError(folder, f"cannot be made ({error.strerror})", "give a folder you may write to") from error
        if not os.access(folder, os.W_OK):
            raise InputError(folder, "is not writable", "give a folder you may write to")
