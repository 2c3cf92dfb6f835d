"""NIfTI files as a scanner's converter writes them, the same bytes for the same scan."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from tanq_monai.files import VIRTUAL, renewing

# Noise hardly compresses: level 6 takes four times as long for 1 % less.
_LEVEL = 2
_SLICES = 16  # held in memory in the file's type


def write_nifti(
    path: Path,
    array: NDArray[np.generic],
    affine: NDArray[np.float64],
    description: str = "",
    dtype: DTypeLike | None = None,
) -> None:
    """Write ``.nii.gz``, at once or not at all; equal input gives equal bytes.

    Args:
        path: of the file; an earlier run's is replaced.
        array: (L, P, S) voxels.
        affine: (4, 4), voxel index to RAS position in mm, without shear.
        description: of the header, 79 letters of ASCII at most.
        dtype: of the file; default: the array's. A float64 label is never held as a whole.
    """
    stored = np.dtype(dtype or array.dtype)
    header = _header(array.shape, stored, affine, description)
    with (
        renewing(path, VIRTUAL) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed,
    ):
        header.write_to(packed)
        for first in range(0, array.shape[-1], _SLICES):
            part = array[..., first : first + _SLICES].T  # the file's first axis runs fastest
            packed.write(np.ascontiguousarray(part, dtype=stored).data)


def _header(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], affine: NDArray[np.float64], description: str
) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_data_offset(352)
    header.set_slope_inter(1, 0)
    header.set_xyzt_units("mm", "sec")
    header.set_qform(affine, code="scanner")
    header.set_sform(affine, code="scanner")
    header["descrip"] = description.encode("ascii")
    return header
