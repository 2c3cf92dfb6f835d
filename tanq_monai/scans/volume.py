"""The one way from a file or folder to voxels. What cannot be one volume of a head is refused in one line.

Neither torch nor MONAI is imported: the runtime without them reads by this, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.scans.dicom import affine_of, is_dicom, slices_of, voxels_of
from tanq_monai.scans.dicom_slices import Slice
from tanq_monai.scans.grid import Affine, Grid, grid_of, in_scanner
from tanq_monai.scans.naming import check_name
from tanq_monai.scans.nifti import check_affine, open_nifti, read_voxels

_SAMPLED = 200_000  # voxels by which the range of a scan is judged
_OUTLIER = 1e4  # times what all but a hundredth of the voxels are
_FAINTEST, _BRIGHTEST = 1e-6, 1e12  # of the largest magnitude: single precision holds its square


@dataclass(frozen=True, eq=False)
class Volume:
    """A scan.

    Attributes:
        voxels: (i, j, k), finite, not all alike, of any number type.
        grid: where they lie.
        files: a NIfTI file, or the file of every slice of a DICOM series, in the order of k.
        description: what a NIfTI header says of it, in free words.
    """

    voxels: NDArray[Any]
    grid: Grid
    files: tuple[Path, ...]
    description: str = ""

    @property
    def affine(self) -> Affine:
        """Voxel to mm, RAS, (4, 4)."""
        return self.grid.affine

    def on(self, grid: Grid) -> NDArray[Any]:
        """The voxels at those of another grid, linearly; 0 outside. Unchanged where it has that grid."""
        from scipy.ndimage import affine_transform  # which few scans have to wait for

        if self.grid.is_same(grid):
            return self.voxels
        index = np.linalg.inv(self.affine) @ grid.affine
        voxels = self.voxels.astype(np.float32)
        resampled: NDArray[np.float32] = affine_transform(
            voxels, index[:3, :3], index[:3, 3], output_shape=grid.shape, order=1
        )
        return resampled


def read_volume(path: str | Path, contrast: str | None = None) -> Volume:
    """The scan in a NIfTI file, or in a folder that holds one DICOM series.

    Args:
        path: of the scan.
        contrast: ceT1 or hrT2; neither the header of a series nor the name of a file may speak against it. None: any.

    Raises:
        InputError: when it is no finite 3D volume of a head, shows nothing, or is of another contrast.
    """
    path = Path(path)
    if path.is_dir():
        slices = slices_of(path, contrast, pixels=True)
        voxels, files, description = voxels_of(slices), tuple(one.path for one in slices), ""
        grid = in_scanner(voxels.shape, affine_of(slices))
        check_affine(path, grid.affine, grid.shape)
    else:
        image = _open(path, contrast)
        voxels, grid, files = read_voxels(path, image), grid_of(image), (path,)
        description = image.header["descrip"].item().decode("latin-1")
    _check_voxels(path, voxels)
    return Volume(voxels, grid, files, description)


def read_grid(path: str | Path, contrast: str | None = None) -> Grid:
    """The grid of a scan, by its headers alone: milliseconds, where :func:`read_volume` takes about a second.

    Raises:
        InputError: as :func:`read_volume`, but for what the voxels tell.
    """
    path = Path(path)
    if not path.is_dir():
        return grid_of(_open(path, contrast))
    return series_grid(slices_of(path, contrast), path)


def series_grid(slices: Sequence[Slice], folder: Path) -> Grid:
    """The grid of slices in their order.

    Args:
        slices: of a series.
        folder: that it lies in, for the message.

    Raises:
        InputError: when no head can lie there.
    """
    rows, columns = slices[0].size
    grid = in_scanner((columns, rows, len(slices)), affine_of(slices))
    check_affine(folder, grid.affine, grid.shape)
    return grid


def _open(path: Path, contrast: str | None) -> Any:
    if contrast is not None:
        check_name(path, contrast)
    if is_dicom(path):
        raise InputError(path, "is one DICOM file", "give the folder of its series")
    return open_nifti(path)


def _check_voxels(path: Path, voxels: NDArray[Any]) -> None:
    if voxels.dtype.kind == "f":
        count = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
        if count:
            raise InputError(path, f"has {count} NaN or infinite voxels", "replace them, e.g. by 0")
    low, high = float(voxels.min()), float(voxels.max())
    if low == high:
        raise InputError(path, f"shows nothing: all its voxels are {low:g}", "export or copy it again")
    if high <= 0:
        raise InputError(path, f"shows nothing above 0: its voxels are from {low:g} to {high:g}", "export it again")
    sample = np.abs(voxels.ravel(order="K")[:: max(1, voxels.size // _SAMPLED)].astype(np.float64))
    usual = float(np.percentile(sample[sample > 0], 99)) if sample.any() else 0.0
    if usual and max(abs(low), abs(high)) > _OUTLIER * usual:
        problem = f"has voxels from {low:g} to {high:g}, while nearly all of them are below {usual:g}"
        raise InputError(path, problem, "replace those outside")
    if not _FAINTEST <= max(abs(low), high) <= _BRIGHTEST:
        raise InputError(path, f"has voxels from {low:g} to {high:g}", "scale it to the usual hundreds or thousands")
