"""Scans of a user's folder: any ``*_ceT1``, ``*_hrT2`` or ``*_T2.nii.gz``, with their labels where they have some."""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.phantom.check.geometry import Vector
from tanq_monai.phantom.check.measure import Scan
from tanq_monai.phantom.check.published import LONDON_HRT2

_ENDINGS: Mapping[str, str] = {"_ceT1.nii.gz": "ceT1", "_hrT2.nii.gz": "hrT2", "_T2.nii.gz": "hrT2"}
_LABEL = "_Label.nii.gz"
_WITHHELD = "withheld_labels"  # where the phantom keeps the labels of its hrT2
_SITE = re.compile(r"_(ldn|etz|ukm)_")
_OF_2021 = re.compile(r"crossmoda_\d+_")  # all from London
_SEQUENCES: Mapping[tuple[str, str], str] = {
    ("etz", "ceT1"): "3D FFE",
    ("etz", "hrT2"): "3D TSE",
    ("ldn", "ceT1"): "3D FLASH",  # MPRAGE in 2 of 242
    ("ldn", "hrT2"): LONDON_HRT2,
}
_VIRTUAL = re.compile(r"virtual patient; ([^;]+); TR=")  # the header's description of a virtual scan
_SAME_PLACE = 1e-3  # between the affines of a scan and its label
_FLATTEST = 1e-3  # volume of a voxel over that of a box with its edges
_REPLACE = "replace the file"


@dataclass(frozen=True)
class ScanFile:
    """A scan on the disk.

    Args:
        name: of the patient: the file's place in the folder without contrast and ending.
        image: file.
        contrast: ceT1 or hrT2.
        label: file, if there is one.
    """

    name: str
    image: Path
    contrast: str
    label: Path | None

    def read(self) -> Scan:
        """Load it.

        Raises:
            InputError: when a file cannot be read, holds no three-dimensional scan, or the label does not fit.
        """
        volume = _read(self.image)
        _check(self.image, volume)
        label = None if self.label is None else _read_label(self.label, volume)
        site = _site(self.image.name)
        sequence = volume.sequence or _SEQUENCES.get((site, self.contrast), f"{site} {self.contrast}".strip())
        return Scan(self.name, site, self.contrast, sequence, volume.array, label, volume.affine)


def find_scans(folder: str | Path) -> list[ScanFile]:
    """All scans below a folder, by path. A label lies beside its scan or in ``withheld_labels``.

    Raises:
        InputError: when there is no such folder, or no scan in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(root, "is no folder", "give the folder with your scans")
    files = list(_scan_files(root))
    if not files:
        raise InputError(root, f"holds no scan named {', '.join(f'*{e}' for e in _ENDINGS)}", "rename your scans so")
    return files


@dataclass(frozen=True)
class _Volume:
    array: NDArray[Any]
    affine: Vector
    sequence: str | None


def _site(name: str) -> str:
    if found := _SITE.search(name):
        return found.group(1)
    return "ldn" if _OF_2021.match(name) else ""


def _scan_files(root: Path) -> Iterator[ScanFile]:
    for path in sorted(root.rglob("*.nii.gz")):
        for ending, contrast in _ENDINGS.items():
            if path.name.endswith(ending) and not path.name.startswith("."):
                name = path.relative_to(root).as_posix().removesuffix(ending)
                labels = (above / f"{name}{_LABEL}" for above in (root, root / _WITHHELD))
                yield ScanFile(name, path, contrast, next((label for label in labels if label.is_file()), None))


def _check(path: Path, volume: _Volume) -> None:
    if volume.array.ndim != 3 or not volume.array.size:
        raise InputError(path, f"has shape {volume.array.shape}", "give scans of three dimensions")
    if not _is_place(volume.affine):
        raise InputError(path, "has voxels without a size or place (its affine)", "mend the header")
    if not np.isfinite(volume.array).all():
        raise InputError(path, "holds voxels that are no finite numbers", _REPLACE)


def _is_place(affine: Vector) -> bool:
    """Whether voxels have a size along three different directions."""
    axes = affine[:3, :3]
    return bool(np.isfinite(affine).all()) and bool(
        abs(np.linalg.det(axes)) > _FLATTEST * np.linalg.norm(axes, axis=0).prod()
    )


def _read_label(path: Path, scan: _Volume) -> NDArray[np.uint8]:
    volume = _read(path)
    values, shape = volume.array, scan.array.shape
    if values.shape != shape:
        raise InputError(path, f"has shape {values.shape}, its scan {shape}", "give a label on the grid of its scan")
    if not np.allclose(volume.affine, scan.affine, rtol=0, atol=_SAME_PLACE):
        raise InputError(path, "lies elsewhere than its scan", "give a label on the grid of its scan")
    with np.errstate(invalid="ignore"):
        label: NDArray[np.uint8] = values.astype(np.uint8)
    if np.any(label != values) or label.max(initial=0) > 3:
        raise InputError(path, "holds other values than 0, 1, 2, 3", "label 1 VS, 2 cochlea, or as crossMoDA 2023 does")
    return label


def _read(path: Path) -> _Volume:
    try:
        image = nib.load(path)
        array, affine = np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
        description = image.header["descrip"].item().decode("latin-1")
    except (
        ImageFileError,
        HeaderDataError,
        HeaderTypeError,
        OSError,
        EOFError,
        MemoryError,
        ValueError,
        zlib.error,
    ) as error:
        raise InputError(path, f"cannot be read ({str(error) or 'too large'})", _REPLACE) from error
    if array.dtype.kind not in "iuf":
        raise InputError(path, f"holds colors or other voxels than numbers ({array.dtype})", "give a scan in gray")
    found = _VIRTUAL.match(description)
    return _Volume(array, affine, found.group(1) if found else None)
