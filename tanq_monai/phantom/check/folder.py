"""Scans of a user's folder: any ``*_ceT1``, ``*_hrT2`` or ``*_T2.nii.gz``, with their labels where they have some."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.phantom.check.measure import Scan

_ENDINGS: Mapping[str, str] = {"_ceT1.nii.gz": "ceT1", "_hrT2.nii.gz": "hrT2", "_T2.nii.gz": "hrT2"}
_LABEL = "_Label.nii.gz"
_WITHHELD = "withheld_labels"  # where the phantom keeps the labels of its hrT2
_SITE = re.compile(r"_(ldn|etz|ukm)_")
_OF_2021 = re.compile(r"crossmoda_\d+_")  # all from London


@dataclass(frozen=True)
class ScanFile:
    """A scan on the disk, and its label if there is one."""

    image: Path
    contrast: str
    label: Path | None

    def read(self) -> Scan:
        """Load it.

        Raises:
            InputError: when a file cannot be read, the scan is not three-dimensional, or the label does not fit.
        """
        image, affine = _read(self.image)
        if image.ndim != 3:
            raise InputError(self.image, f"has {image.ndim} dimensions", "give scans of three")
        label = None if self.label is None else _read_label(self.label, image.shape)
        site = _site(self.image.name)
        return Scan(self.image.name, site, self.contrast, f"{site} {self.contrast}".strip(), image, label, affine)


def find_scans(folder: str | Path) -> list[ScanFile]:
    """All scans below a folder, by path. A label lies beside its scan or in ``withheld_labels``.

    Raises:
        InputError: when there is no such folder, or no scan in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(root, "is no folder", "give the folder with your scans")
    files = [
        ScanFile(path, contrast, _label_of(path, path.name.removesuffix(ending), root))
        for path in sorted(root.rglob("*.nii.gz"))
        for ending, contrast in _ENDINGS.items()
        if path.name.endswith(ending) and not path.name.startswith(".")
    ]
    if not files:
        raise InputError(root, f"holds no scan named {', '.join(f'*{e}' for e in _ENDINGS)}", "rename your scans so")
    return files


def _site(name: str) -> str:
    if found := _SITE.search(name):
        return found.group(1)
    return "ldn" if _OF_2021.match(name) else ""


def _label_of(image: Path, case: str, root: Path) -> Path | None:
    beside = image.with_name(f"{case}{_LABEL}")
    apart = root / _WITHHELD / beside.relative_to(root)
    return next((path for path in (beside, apart) if path.is_file()), None)


def _read_label(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    values, _ = _read(path)
    if values.shape != shape:
        raise InputError(path, f"has shape {values.shape}, its scan {shape}", "give a label on the grid of its scan")
    label: NDArray[np.uint8] = values.astype(np.uint8)
    if np.any(label != values) or label.max(initial=0) > 3:
        raise InputError(path, "holds other values than 0, 1, 2, 3", "label 1 VS, 2 cochlea, or as crossMoDA 2023 does")
    return label


def _read(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    try:
        image = nib.load(path)
        return np.asarray(image.dataobj), np.asarray(image.affine, dtype=np.float64)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(path, f"cannot be read ({error})", "replace the file") from error
