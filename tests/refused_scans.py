"""Scans that nothing here can use, by what is wrong with them: small files and folders."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from files import LPS, MPRAGE, scan, write_nifti, write_series

POSITIONS = [1.5 * k for k in range(6)]
SHEARED = LPS + 0.2 * np.eye(4)[[1, 0, 2, 3]] * [1, 0, 0, 0]
NAN = np.where(np.arange(scan().size).reshape(scan().shape) == 5, np.nan, scan())


def nifti(name: str, array: np.ndarray, affine: np.ndarray = LPS) -> Callable[[Path], Path]:
    return lambda folder: write_nifti(folder / f"{name}.nii.gz", array, affine)


def header(name: str, offset: int, value: bytes) -> Callable[[Path], Path]:
    """A file with bytes of its header changed."""

    def write(folder: Path) -> Path:
        path = write_nifti(folder / f"{name}.nii.gz", scan())
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[offset : offset + len(value)] = value
        path.write_bytes(gzip.compress(bytes(content)))
        return path

    return write


def content(name: str, value: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(value)
        return folder / name

    return write


def cut_off(folder: Path) -> Path:
    path = write_nifti(folder / "cut_off.nii.gz", scan())
    path.write_bytes(path.read_bytes()[:-400])
    return path


def series(name: str, positions: list[float], **tags: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        write_series(folder / name, scan(), positions, **tags)
        return folder / name

    return write


def changed(name: str, change: Callable[[pydicom.Dataset, int], None]) -> Callable[[Path], Path]:
    """A series whose headers were changed, each by its number."""

    def write(folder: Path) -> Path:
        write_series(folder / name, scan(), POSITIONS)
        for number, path in enumerate(sorted((folder / name).iterdir())):
            dataset = pydicom.dcmread(path)
            change(dataset, number)
            dataset.save_as(path)
        return folder / name

    return write


def beside(name: str, file: str, value: bytes) -> Callable[[Path], Path]:
    """A series with a file beside its slices."""

    def write(folder: Path) -> Path:
        write_series(folder / name, scan(), POSITIONS)
        (folder / name / file).write_bytes(value)
        return folder / name

    return write


def two_series(folder: Path) -> Path:
    for _ in range(2):
        write_series(folder / "two_series", scan(), POSITIONS)
    return folder / "two_series"


def one_slice(folder: Path) -> Path:
    write_series(folder / "slices", scan(), POSITIONS)
    return folder / "slices" / "000.dcm"


def put(keyword: str, value: object) -> Callable[[pydicom.Dataset, int], None]:
    return lambda dataset, _: setattr(dataset, keyword, value)


REFUSED: tuple[Callable[[Path], Path], ...] = (
    nifti("four", np.stack([scan(), scan()], axis=-1)),
    nifti("nan", NAN.astype(np.float32)),
    nifti("complex", scan().astype(np.complex64)),
    nifti("constant", np.full_like(scan(), 7)),
    nifti("negative", -scan()),
    nifti("outlier", np.where(scan() == scan().max(), 1e9, scan()).astype(np.float32)),
    nifti("faint", scan() * 1e-12),
    nifti("a_Label", scan()),
    nifti("a_ceT1", scan()),
    nifti("tiny_voxels", scan(), np.diag([0.001, 0.5, 1.5, 1])),
    nifti("wide", scan(), np.diag([0.5, 0.5, 49, 1]) @ np.diag([1, 1, 3, 1])),
    nifti("long", np.concatenate([scan(), scan()]), np.diag([49, 0.5, 1.5, 1])),
    nifti("sheared", scan(), SHEARED),
    nifti("far", scan(), LPS + np.eye(4, k=3) * 2e5),
    header("promising", 40, struct.pack("<4h", 3, 32000, 32000, 32000)),
    header("meter", 123, b"\x01"),
    header("strange_unit", 123, b"\x07"),
    header("pixdim", 76 + 12, struct.pack("<f", 3)),
    header("negative_pixdim", 76 + 4, struct.pack("<f", -0.5)),
    header("endless_affine", 280, struct.pack("<f", np.inf)),
    content("empty.nii.gz", b""),
    content("text.nii", b"no scan " * 100),
    content("plain.nii.gz", b"no scan " * 100),
    cut_off,
    one_slice,
    two_series,
    series("one_of_one", [0.0]),
    series("gap", [0.0, 1.5, 4.5, 6.0]),
    series("doubled", [3.0, 1.5, 1.5, 0.0]),
    series("mprage", POSITIONS, **MPRAGE),
    series("flair", POSITIONS, SeriesDescription="t2 FLAIR sag"),
    series("thick", POSITIONS, SliceThickness=3),
    beside("not_dicom", "099.dcm", b"no slice"),
    changed("patients", lambda dataset, n: setattr(dataset, "PatientID", "ab"[n // 3])),
    changed("sizes", lambda dataset, n: setattr(dataset, "PixelSpacing", [0.5 + n, 0.5])),
    changed(
        "turned", lambda dataset, n: setattr(dataset, "ImageOrientationPatient", [1, 0, 0, 0, 1, 0][:: 1 - 2 * (n > 3)])
    ),
    changed("moved", lambda dataset, n: setattr(dataset, "ImagePositionPatient", [17 * (n == 2), 0, 1.5 * n])),
    changed("negative_spacing", put("PixelSpacing", [1.4, -1.4])),
    changed("no_place", put("ImagePositionPatient", None)),
    changed("slope", put("RescaleSlope", 0)),
    changed("inverted", put("PhotometricInterpretation", "MONOCHROME1")),
    changed("no_series", put("SeriesInstanceUID", "")),
    changed("unplaced", put("NumberOfFrames", 3)),
)
"""Each writes one into a folder, and says where."""
