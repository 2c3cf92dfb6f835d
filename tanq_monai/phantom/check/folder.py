"""Scans of a user's folder: any ``*_ceT1``, ``*_hrT2`` or ``*_T2.nii.gz``, with their labels where they have some."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tanq_monai.errors import InputError
from tanq_monai.phantom.check.labels import VALUES
from tanq_monai.phantom.check.measure import Scan
from tanq_monai.phantom.check.published import LONDON_HRT2
from tanq_monai.phantom.dataset.cases import WITHHELD
from tanq_monai.scans.contents import left_out
from tanq_monai.scans.dicom import is_dicom
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import (
    CONTRASTS,
    ENDING,
    ENDINGS,
    LABEL,
    TARGET_DOMAIN,
    case_of,
    contrast_of,
    is_nifti,
    suffix_of,
)
from tanq_monai.scans.volume import read_volume

_SITE = re.compile(r"_(ldn|etz|ukm)_")
_OF_2021 = re.compile(r"crossmoda_\d+_")  # all from London
_SEQUENCES: Mapping[tuple[str, str], str] = {
    ("etz", "ceT1"): "3D FFE",
    ("etz", "hrT2"): "3D TSE",
    ("ldn", "ceT1"): "3D FLASH",  # MPRAGE in 2 of 242
    ("ldn", "hrT2"): LONDON_HRT2,
}
_VIRTUAL = re.compile(r"virtual patient; ([^;]+); TR=")  # the header's description of a virtual scan


@dataclass(frozen=True)
class ScanFile:
    """A scan on the disk.

    Args:
        name: of the patient: the file's place in the folder without contrast and ending.
        image: file.
        contrast: ceT1 or hrT2.
        labels: files; there should be one at most.
    """

    name: str
    image: Path
    contrast: str
    labels: tuple[Path, ...]

    def read(self) -> Scan:
        """Load it.

        Raises:
            InputError: when a file is no scan of a head, or the label does not fit, or there are two.
        """
        volume = read_volume(self.image)
        if self.labels[1:]:
            raise InputError(self.labels[1], f"is the second label of {self.name}", "keep one")
        label = read_labels(self.labels[0], VALUES, volume.grid).labels if self.labels else None
        site = _site(self.image.name)
        virtual = _VIRTUAL.match(volume.description)
        of_site = _SEQUENCES.get((site, self.contrast), f"{site} {self.contrast}".strip())
        sequence = virtual.group(1) if virtual else of_site
        return Scan(self.name, site, self.contrast, sequence, volume.voxels, label, volume.affine)


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
        endings = ", ".join(f"*_{suffix}{ENDING}" for suffixes in CONTRASTS.values() for suffix in suffixes)
        raise InputError(root, f"holds no scan named {endings}", "rename your scans so")
    return files


def unread_files(folder: str | Path) -> list[InputError]:
    """A mistake for what looks like a scan or label below a folder and is none here, or the second of a case."""
    paths = sorted(Path(folder).rglob("*"))
    first: dict[tuple[str, str], Path] = {}
    second = [
        one for one in _scan_files(Path(folder)) if first.setdefault((one.name, one.contrast), one.image) != one.image
    ]
    series = sorted({path.parent for path in paths if is_dicom(path)})
    remedy = "convert it to NIfTI, or take it away"
    return [
        *left_out(paths, TARGET_DOMAIN[0]),
        *(InputError(one.image, f"is the second {one.contrast} of {one.name}", "keep one") for one in second),
        *(InputError(one, "holds DICOM, not measured", remedy) for one in series),
    ]


def _site(name: str) -> str:
    if found := _SITE.search(name):
        return found.group(1)
    return "ldn" if _OF_2021.match(name) else ""


def _scan_files(root: Path) -> Iterator[ScanFile]:
    for path in sorted(root.rglob("*")):
        contrast = contrast_of([suffix_of(path)]) if is_nifti(path) else None
        if contrast is not None:
            name = (path.relative_to(root).parent / case_of(path)).as_posix()
            places = (above / f"{name}_{LABEL}{ending}" for above in (root, root / WITHHELD) for ending in ENDINGS)
            yield ScanFile(name, path, contrast, tuple(place for place in places if place.is_file()))
