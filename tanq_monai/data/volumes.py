"""Reading volumes, NIfTI files and DICOM series alike."""

from pathlib import Path

import numpy as np
from monai.data import NibabelReader, PydicomReader
from numpy.typing import NDArray


def read_volume(path: str | Path) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Voxels (i, j, k) and the voxel-to-mm matrix, RAS (4, 4), of a NIfTI file or of a folder with one DICOM series."""
    reader = PydicomReader() if Path(path).is_dir() else NibabelReader()
    array, meta = reader.get_data(reader.read(str(path)))
    return np.asarray(array), np.asarray(meta["affine"], dtype=np.float64)
