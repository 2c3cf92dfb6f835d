"""Reading volumes, NIfTI files and DICOM series alike."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


def read_volume(path: str | Path) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Voxels (i, j, k) and the voxel-to-mm matrix, RAS (4, 4), of a NIfTI file or of a folder with one DICOM series."""
    from monai.data import NibabelReader, PydicomReader  # seconds, which a look at headers need not wait for

    reader = PydicomReader() if Path(path).is_dir() else NibabelReader()
    array, meta = reader.get_data(reader.read(str(path)))
    return np.asarray(array), np.asarray(meta["affine"], dtype=np.float64)


def read_grid(path: str | Path) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape (i, j, k) and voxel-to-mm matrix, RAS (4, 4); of a NIfTI file the header alone is read."""
    if Path(path).is_dir():
        array, affine = read_volume(path)
        i, j, k = array.shape
    else:
        header = nib.load(path)
        (i, j, k), affine = header.shape, np.asarray(header.affine, dtype=np.float64)
    return (i, j, k), affine
