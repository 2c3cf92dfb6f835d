"""Label volumes from disk, checked before they are scored."""

import zlib
from pathlib import Path
from typing import Literal, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from tanq_monai.errors import InputError

ROUNDING = 1e-3  # float64 labels that were resampled may be off by rounding
SHOWN = 5  # unknown values; an image in place of a label has thousands


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
    order: Literal["F", "C"] = "F" if values.flags.f_contiguous else "C"  # as it lies in memory
    flat = values.ravel(order)
    places = np.flatnonzero(flat != 0)  # all else is done with these few only
    given = flat[places]
    if not np.isfinite(given).all() or np.abs(given - np.rint(given)).max(initial=0) > ROUNDING:
        raise InputError(path, "holds NaN or fractions", "store whole label numbers")
    rounded = np.rint(given).astype(np.int64)
    unknown = sorted(set(np.unique(rounded).tolist()) - known - {0})
    if unknown:
        listed = ", ".join(str(value) for value in unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        raise InputError(path, f"holds unknown label {listed}", f"use only {sorted(known)}")
    labels = np.zeros(flat.size, dtype=np.uint8)
    labels[places] = rounded
    return LabelVolume(labels.reshape(values.shape, order=order), np.asarray(image.affine, dtype=np.float64))


def check_same_grid(
    labels: LabelVolume, shape: tuple[int, ...], affine: npt.NDArray[np.float64], *, path: Path, other: str
) -> None:
    """Make sure that a label map has the voxels of another volume in space, to a tenth of its smallest voxel edge.

    Args:
        labels: what ``path`` holds.
        shape: of the volume that decides the grid.
        affine: voxel to mm, of that volume.
        path: named in the error.
        other: what that volume is called in the error.

    Raises:
        InputError: when shape or position differ.
    """
    remedy = f"resample it to the grid of {other} with nearest neighbours"
    if labels.labels.shape != shape:
        raise InputError(path, f"has shape {labels.labels.shape}, {other} {shape}", remedy)
    ends = [(0, size - 1) for size in shape]
    corners = np.array([[*corner, 1] for corner in np.stack(np.meshgrid(*ends), axis=-1).reshape(-1, 3)])
    apart = np.linalg.norm((corners @ (labels.affine - affine).T)[:, :3], axis=1).max()
    if apart > 0.1 * np.linalg.norm(affine[:3, :3], axis=0).min():
        raise InputError(path, f"lies up to {apart:.2f} mm beside {other} (affines differ)", remedy)
