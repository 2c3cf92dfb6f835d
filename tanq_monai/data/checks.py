"""Is this file one we can work with? Every check raises :class:`InputError` with one line that says what to do."""

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from tanq_monai.data.raw_dataset import label_values
from tanq_monai.data.volumes import read_volume
from tanq_monai.errors import InputError
from tanq_monai.metrics import STRUCTURES
from tanq_monai.metrics.labels import check_same_grid, read_labels


def check_image(path: Path) -> None:
    """Raise unless ``path`` is a finite 3D NIfTI volume, or a folder that holds one regular DICOM series."""
    if path.is_dir():
        _check_series(path)
    else:
        _read(path)


def check_header(path: Path) -> None:
    """What of :func:`check_image` needs no voxel of a NIfTI volume: takes milliseconds."""
    if path.is_dir():
        _check_series(path)
    else:
        _open(path)


def check_label(path: Path, image_path: Path, structures: Mapping[str, int] = STRUCTURES, ignore: bool = False) -> None:
    """Raise unless ``path`` is a map of ``structures``, perhaps with ignored voxels, on the grid of ``image_path``."""
    _read(path)
    label = read_labels(path, known=frozenset(label_values(structures, ignore)))
    if image_path.is_dir():
        voxels, affine = read_volume(image_path)
        shape: tuple[int, ...] = voxels.shape
    else:
        image = nib.load(image_path)
        shape, affine = image.shape, image.affine
    check_same_grid(label, shape, affine, path=path, other="its image")


def check_output_dir(path: str | Path) -> Path:
    """Make the folder ``path`` and return it; raise where it cannot be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made a folder ({error.strerror})", "choose another output folder") from error
    if not os.access(path, os.W_OK):
        raise InputError(path, "cannot be written to", "choose another output folder")
    return path


def _open(path: Path) -> nib.Nifti1Image:
    """The volume, of which only the header has been read."""
    if not path.exists():
        raise InputError(path, "does not exist", "add the file or take its case out of the folder")
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "copy it again")
    with _told_as_unreadable(path):
        volume = nib.load(path)
    if volume.ndim != 3:
        raise InputError(path, f"has {volume.ndim} dimensions {volume.shape}", "give one 3D volume per file")
    if volume.get_data_dtype().fields:
        channels = len(volume.get_data_dtype().fields)
        raise InputError(path, f"has {channels} channels of colour", "give a volume of one grey value per voxel")
    return volume


def _read(path: Path) -> None:
    volume = _open(path)
    with _told_as_unreadable(path):
        array = np.asanyarray(volume.dataobj)
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(path, f"has {count} NaN or infinite voxels", "replace them, e.g. by 0")


@contextlib.contextmanager
def _told_as_unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(path, f"cannot be read as NIfTI ({reason})", "copy it again") from error


def _check_series(folder: Path) -> None:
    headers = [pydicom.dcmread(f, stop_before_pixels=True) for f in sorted(folder.iterdir()) if is_dicom(f)]
    series = {str(h.SeriesInstanceUID) for h in headers}
    if len(series) > 1:
        raise InputError(folder, f"holds {len(series)} DICOM series", "give every series a folder of its own")
    check_slices(headers, folder)


def check_slices(headers: Sequence[pydicom.Dataset], folder: Path) -> None:
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


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM part 10 files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
