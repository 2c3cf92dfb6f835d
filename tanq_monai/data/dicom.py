"""One DICOM series in a folder: is it whole and regular, and what does it hold. pydicom is imported when it is needed.

Axes as in MONAI's PydicomReader: i columns, j rows, k slices by InstanceNumber.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM part 10 files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def check_series(folder: Path) -> None:
    """Raise unless ``folder`` holds one whole series of parallel slices at equal distances.

    Raises:
        InputError: when it does not.
    """
    headers = _slices(folder, pixels=False)
    series = {str(h.SeriesInstanceUID) for h in headers}
    if len(series) > 1:
        raise InputError(folder, f"holds {len(series)} DICOM series", "give every series a folder of its own")
    check_slices(headers, folder)


def check_slices(headers: "Sequence[Dataset]", folder: Path) -> None:
    """Raise unless the slices of a DICOM series, given by their headers, are those of one regular volume."""
    if len(headers) < 2:
        raise InputError(folder, f"holds {len(headers)} DICOM slices", "give the folder of one whole series")
    if not all("ImageOrientationPatient" in h and "ImagePositionPatient" in h for h in headers):
        raise InputError(folder, "holds slices without position or orientation", "export it again as an MR series")
    orientations = np.array([h.ImageOrientationPatient for h in headers], dtype=float)
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise InputError(folder, "holds slices of several orientations", "give a series of parallel slices")
    if len({(h.Rows, h.Columns, *map(float, h.get("PixelSpacing", ()))) for h in headers}) > 1:
        raise InputError(folder, "holds slices of several sizes", "give a series of equal slices")
    if not all(h.get("InstanceNumber") for h in headers):
        raise InputError(folder, "holds slices without a number", "export it again as an MR series")
    row, column = orientations[0].reshape(2, 3)
    headers = sorted(headers, key=lambda h: int(h.InstanceNumber))  # the order in which MONAI stacks the slices
    positions = np.array([np.dot(np.cross(row, column), h.ImagePositionPatient) for h in headers])
    steps = np.diff(positions) * np.sign(positions[-1] - positions[0])
    if steps.min() <= 0 or steps.max() - steps.min() > 0.1 * np.median(steps):
        problem = f"has slice steps from {steps.min():.2f} to {steps.max():.2f} mm"
        raise InputError(folder, problem, "complete the series or remove doubled slices")


def read_series(folder: Path) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Voxels (i, j, k), rescaled where the series says how, and the voxel-to-mm matrix, RAS (4, 4)."""
    slices = _slices(folder, pixels=True)
    first, last = (np.array(s.ImagePositionPatient, dtype=float) for s in (slices[0], slices[-1]))
    along_row, along_column = np.array(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(mm) for mm in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_row * between_columns, along_column * between_rows
    affine[:3, 2], affine[:3, 3] = (last - first) / max(len(slices) - 1, 1), first
    volume = np.ascontiguousarray(np.stack([_pixels(s).T for s in slices], axis=-1))
    return volume, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM is LPS


def _pixels(header: "Dataset") -> NDArray[Any]:
    """(rows, columns), in the unit that the header's slope and offset lead to."""
    pixels: NDArray[Any] = header.pixel_array
    slope, offset = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    return pixels if (slope, offset) == (1, 0) else pixels * np.float32(slope) + np.float32(offset)


def _slices(folder: Path, pixels: bool) -> "list[Dataset]":
    """In the order in which MONAI stacks them."""
    try:
        import pydicom
    except ImportError as error:
        raise InputError(folder, "is DICOM, which pydicom reads, and it is not installed", "install pydicom") from error
    files = [path for path in sorted(folder.iterdir()) if is_dicom(path)]
    headers = [pydicom.dcmread(path, stop_before_pixels=not pixels) for path in files]
    return sorted(headers, key=lambda header: int(header.get("InstanceNumber", 0)))
