"""Label volumes from disk, checked before they are scored."""

import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from tanq_monai.errors import InputError


class LabelVolume(NamedTuple):
    """A label map (X, Y, Z) and the affine that takes voxel indices to mm."""

    labels: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]


def read_labels(path: Path, *, known: frozenset[int]) -> LabelVolume:
    """Read a label file; values may be stored as floats, as crossMoDA does.

    Args:
        path: NIfTI file.
        known: the label values that may occur, background included.

    Raises:
        InputError: when the file is missing, unreadable, not 3D, or holds other values.
    """
    if not path.is_file():
        raise InputError(path, "there is no such file", "put the label file there")
    try:
        image = nib.load(path)
        values = np.asanyarray(image.dataobj)
    except (ImageFileError, EOFError, OSError, ValueError, zlib.error) as error:
        raise InputError(path, f"cannot be read as NIfTI ({error})", "write or download it again") from error
    if values.ndim != 3:
        raise InputError(path, f"has shape {values.shape}, not three dimensions", "store one 3D label map")
    with np.errstate(invalid="ignore"):
        labels = values.astype(np.uint8)
    if not np.array_equal(labels, values):
        raise InputError(path, "holds NaN, fractions or values outside 0-255", "store whole label numbers")
    unknown = np.unique(labels[~np.isin(labels, sorted(known))])
    if unknown.size:
        listed = ", ".join(str(value) for value in unknown)
        raise InputError(path, f"holds unknown label {listed}", f"use only {sorted(known)}")
    return LabelVolume(labels, np.asarray(image.affine, dtype=np.float64))


def check_same_grid(prediction: LabelVolume, truth: LabelVolume, *, path: Path) -> None:
    """Make sure that both maps have the same voxels in space, to a tenth of the smallest voxel edge.

    Args:
        prediction: what ``path`` holds.
        truth: the map that decides the grid.
        path: named in the error.

    Raises:
        InputError: when shape or position differ.
    """
    remedy = "resample it to the grid of the truth with nearest neighbours"
    if prediction.labels.shape != truth.labels.shape:
        problem = f"has shape {prediction.labels.shape}, the truth {truth.labels.shape}"
        raise InputError(path, problem, remedy)
    ends = [(0, size - 1) for size in truth.labels.shape]
    corners = np.array([[*corner, 1] for corner in np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)])
    apart = np.linalg.norm((corners @ (prediction.affine - truth.affine).T)[:, :3], axis=1).max()
    if apart > 0.1 * np.linalg.norm(truth.affine[:3, :3], axis=0).min():
        raise InputError(path, f"lies up to {apart:.2f} mm beside the truth (affines differ)", remedy)
