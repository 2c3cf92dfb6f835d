"""Is this image one we can work with? Every check raises :class:`InputError` with one line that says what to do.

Neither torch nor MONAI is imported: the runtime without them asks the same.
"""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from tanq_monai.data.dicom import check_series, is_dicom, read_series
from tanq_monai.data.names import check_name
from tanq_monai.errors import InputError

MIN_EDGE, MAX_EDGE = 0.01, 50.0  # mm, of a voxel of a head


def check_image(path: Path, contrast: str | None = None) -> None:
    """Raise unless ``path`` is a finite 3D NIfTI volume, or a folder that holds one regular DICOM series.

    Args:
        path: of the image.
        contrast: ceT1 or hrT2; neither the header of a series nor the name of a file may speak against it. None: any.
    """
    read_image(path, contrast)


def read_image(path: Path, contrast: str | None = None) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Voxels (i, j, k) and the voxel-to-mm matrix, RAS (4, 4), of what :func:`check_image` lets pass."""
    if path.is_dir():
        check_series(path, contrast)
        return read_series(path)
    _check_name(path, contrast)
    volume = _open(path)
    with _told_as_unreadable(path):
        array = np.asanyarray(volume.dataobj)
    check_voxels(path, array)
    return array, np.asarray(volume.affine, dtype=np.float64)


def check_header(path: Path, contrast: str | None = None) -> None:
    """What of :func:`check_image` needs no voxel of a NIfTI volume: takes milliseconds."""
    if path.is_dir():
        check_series(path, contrast)
    else:
        _check_name(path, contrast)
        _open(path)


def check_voxels(path: Path, voxels: NDArray[Any]) -> None:
    """What of :func:`check_image` needs the voxels, which somebody has loaded from ``path``."""
    count = int(np.count_nonzero(~np.isfinite(voxels)))
    if count:
        raise InputError(path, f"has {count} NaN or infinite voxels", "replace them, e.g. by 0")


def _check_name(path: Path, contrast: str | None) -> None:
    if contrast is not None:
        check_name(path, contrast)


def _open(path: Path) -> nib.Nifti1Image:
    """The volume, of which only the header has been read."""
    if not path.exists():
        raise InputError(path, "does not exist", "look for its right name")
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "copy it again")
    if is_dicom(path):
        raise InputError(path, "is one DICOM file", "give the folder of its series")
    with _told_as_unreadable(path):
        volume = nib.load(path)
    if volume.ndim != 3:
        raise InputError(path, f"has {volume.ndim} dimensions {volume.shape}", "give one 3D volume per file")
    if volume.get_data_dtype().kind == "c":
        raise InputError(path, "holds complex numbers", "give the magnitude")
    edges = np.linalg.norm(volume.affine[:3, :3], axis=0)
    if not (np.isfinite(edges).all() and edges.min() > MIN_EDGE and edges.max() < MAX_EDGE):
        told = " x ".join(f"{edge:.3g}" for edge in edges)
        raise InputError(path, f"has voxels of {told} mm", "give it an affine in mm")
    if volume.get_data_dtype().fields:
        channels = len(volume.get_data_dtype().fields)
        raise InputError(path, f"has {channels} channels of colour", "give a volume of one grey value per voxel")
    return volume


@contextlib.contextmanager
def _told_as_unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(path, f"cannot be read as NIfTI ({reason})", "copy it again") from error
