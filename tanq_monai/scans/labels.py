"""Label maps: read, checked against the structures and the grid of their scan, and written."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.scans.grid import Affine, Grid, grid_of
from tanq_monai.scans.nifti import open_nifti, read_voxels

if TYPE_CHECKING:
    import nibabel as nib

ROUNDING = 1e-3  # float64 labels that were resampled may be off by rounding
_LARGEST = 1e9  # of any number in a label map: beyond, there are no whole numbers in single precision
SHOWN = 5  # unknown values; an image in place of a label has thousands


class LabelMap(NamedTuple):
    """Label values (i, j, k) on a grid."""

    labels: NDArray[np.uint8]
    grid: Grid

    @property
    def affine(self) -> Affine:
        """Voxel to mm, RAS, (4, 4)."""
        return self.grid.affine


def read_labels(path: str | Path, known: Collection[int], on: Grid | None = None, called: str = "its scan") -> LabelMap:
    """The label map in a NIfTI file; values may be stored as floats, as crossMoDA does.

    Args:
        path: of the file.
        known: the values that may occur, besides 0.
        on: the grid that it has to lie on; what is returned lies on this very one.
        called: what lies on that grid, for the message.

    Raises:
        InputError: when the file is missing, unreadable, not 3D, holds other values, or lies on another grid.
    """
    path = Path(path)
    image = open_nifti(path)
    grid = _grid(path, image, on, called)
    labels = _whole_numbers(path, read_voxels(path, image), {0, *known})
    return LabelMap(labels, grid)


def check_labels(path: str | Path, on: Grid, called: str) -> None:
    """Raise where :func:`read_labels` would, as far as the header tells: takes milliseconds."""
    _grid(Path(path), open_nifti(Path(path)), on, called)


def read_share(path: Path, on: Grid, called: str) -> NDArray[np.float32]:
    """A map of shares from 0 to 1, (i, j, k): how sure a label is, voxel by voxel.

    Raises:
        InputError: when the file is missing, unreadable, holds other values, or lies on another grid.
    """
    image = open_nifti(path)
    _grid(path, image, on, called)
    share: NDArray[np.float32] = read_voxels(path, image).astype(np.float32)
    if not (share.min() >= 0 and share.max() <= 1 + ROUNDING):
        problem = f"holds values from {share.min():g} to {share.max():g}"
        raise InputError(path, problem, "give shares from 0 to 1, e.g. by predicting again with uncertainty: true")
    return share


def _grid(path: Path, image: "nib.Nifti1Image", on: Grid | None, called: str) -> Grid:
    """That of an image, or the one that it has to lie on."""
    grid = grid_of(image)
    if on is None:
        return grid
    grid.check_same(on, path, called)
    return on


def _whole_numbers(path: Path, values: NDArray[Any], known: set[int]) -> NDArray[np.uint8]:
    order: Literal["F", "C"] = "F" if values.flags.f_contiguous else "C"  # as it lies in memory
    flat = values.ravel(order)
    places = np.flatnonzero(flat != 0)  # all else is done with these few only
    given = flat[places]
    if not np.isfinite(given).all() or np.abs(given - np.rint(given)).max(initial=0) > ROUNDING:
        raise InputError(path, "holds NaN or fractions", "store whole label numbers")
    largest = given[np.abs(given) > _LARGEST]
    if largest.size:
        raise InputError(path, f"holds unknown label {largest[0]:g}", f"use only {sorted(known)}")
    rounded = np.rint(given).astype(np.int64)
    unknown = sorted(set(np.unique(rounded).tolist()) - known)
    if unknown:
        listed = ", ".join(str(value) for value in unknown[:SHOWN]) + (", ..." if len(unknown) > SHOWN else "")
        raise InputError(path, f"holds unknown label {listed}", f"use only {sorted(known)}")
    labels = np.zeros(flat.size, dtype=np.uint8)
    labels[places] = rounded
    return labels.reshape(values.shape, order=order)
