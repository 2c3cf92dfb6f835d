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
    """Whether a file starts as DICOM part 10 files do; one that may not be read does not."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path, pixels: bool = False) -> "Dataset":
    """What a file says of its slice, with its pixels where they are asked for.

    Raises:
        InputError: when it cannot be read, or pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise InputError(path, "is DICOM, which pydicom reads, and it is not installed", "install pydicom") from error
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # a broken file may lead to any
        raise InputError(path, f"cannot be read as DICOM ({_reason(error)})", "copy it again") from error


def check_series(folder: Path, contrast: str | None = None) -> None:
    """Raise unless ``folder`` holds one whole series of parallel slices at equal distances.

    Args:
        folder: of the series.
        contrast: what it must not be against, see :func:`tanq_monai.data.contrast.check_contrast`; None: any.

    Raises:
        InputError: when it does not.
    """
    headers = [read_header(path) for path in _files(folder)]
    for path, header in zip(_files(folder), headers, strict=True):
        if not header.get("SeriesInstanceUID"):
            raise InputError(path, "says of no series that it belongs to, perhaps it is cut off", "copy it again")
    series = {str(h.SeriesInstanceUID) for h in headers}
    if len(series) > 1:
        raise InputError(folder, f"holds {len(series)} DICOM series", "give every series a folder of its own")
    check_slices(headers, folder)
    if contrast is not None:
        _check_contrast(headers[0], contrast, folder)


def check_slices(headers: "Sequence[Dataset]", folder: Path) -> None:
    """Raise unless the slices of a DICOM series, given by their headers, are those of one regular volume."""
    if len(headers) < 2:
        raise InputError(folder, f"holds {len(headers)} DICOM slices", "give the folder of one whole series")
    if not all(h.get("ImageOrientationPatient") and h.get("ImagePositionPatient") for h in headers):
        raise InputError(folder, "holds slices without position or orientation", "export it again as an MR series")
    if not all(h.get("Rows") and h.get("Columns") and h.get("PixelSpacing") for h in headers):
        raise InputError(folder, "holds slices without size or pixel spacing", "export it again as an MR series")
    orientations = np.array([h.ImageOrientationPatient for h in headers], dtype=float)
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise InputError(folder, "holds slices of several orientations", "give a series of parallel slices")
    if len({(h.Rows, h.Columns, *map(float, h.PixelSpacing)) for h in headers}) > 1:
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
    """Voxels (i, j, k), rescaled where the series says how, and the voxel-to-mm matrix, RAS (4, 4).

    Args:
        folder: one that :func:`check_series` lets pass.

    Raises:
        InputError: when the pixels of a slice cannot be read.
    """
    paths = {path: read_header(path, pixels=True) for path in _files(folder)}
    paths = dict(sorted(paths.items(), key=lambda item: int(item[1].InstanceNumber)))
    slices = list(paths.values())
    first, last = (np.array(s.ImagePositionPatient, dtype=float) for s in (slices[0], slices[-1]))
    along_row, along_column = np.array(slices[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(mm) for mm in slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_row * between_columns, along_column * between_rows
    affine[:3, 2], affine[:3, 3] = (last - first) / max(len(slices) - 1, 1), first
    volume = np.ascontiguousarray(np.stack([_pixels(path, s).T for path, s in paths.items()], axis=-1))
    return volume, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM is LPS


def _check_contrast(header: "Dataset", contrast: str, folder: Path) -> None:
    try:
        from tanq_monai.data.contrast import check_contrast
    except ImportError as error:
        problem = "is DICOM, whose contrast is told by rules in YAML, and PyYAML is not installed"
        raise InputError(folder, problem, "install PyYAML") from error
    check_contrast(header, contrast, folder)


def _pixels(path: Path, header: "Dataset") -> NDArray[Any]:
    """(rows, columns), in the unit that the header's slope and offset lead to."""
    try:
        pixels: NDArray[Any] = header.pixel_array
    except Exception as error:  # of pydicom's many decoders
        remedy = "copy it again, or install the decoder that pydicom names"
        raise InputError(path, f"has no pixels that can be read ({_reason(error)})", remedy) from error
    slope, offset = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    return pixels if (slope, offset) == (1, 0) else pixels * np.float32(slope) + np.float32(offset)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if is_dicom(path)]


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
