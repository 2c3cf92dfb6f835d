"""NIfTI files that are there completely or not at all."""

import os
from os import PathLike
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import NibabelWriter

from tanq_monai.files import replacing

STEPS = 255  # of a share in [0, 1] that is stored as a whole number


class AtomicNibabelWriter(NibabelWriter):  # type: ignore[misc]
    """MONAI's NIfTI writer, writing aside and renaming: an interrupted run leaves no half file."""

    def write(self, filename: str | PathLike[str], verbose: bool = False, **kwargs: Any) -> None:
        """Write the array that was set.

        Args:
            filename: ends in ``.nii`` or ``.nii.gz``.
            verbose: as in :class:`monai.data.NibabelWriter`.
            **kwargs: as in :class:`monai.data.NibabelWriter`.
        """
        with replacing(os.fspath(filename)) as temporary:
            super().write(temporary, verbose=verbose, **kwargs)


class ShareWriter(AtomicNibabelWriter):
    """Shares in [0, 1] as uint8 with ``scl_slope`` 1/255: a reader gets them back to 1/510."""

    @classmethod
    def create_backend_obj(cls, data_array: Any, *args: Any, **kwargs: Any) -> nib.Nifti1Image:
        """The image that is written; arguments as in :class:`monai.data.NibabelWriter`."""
        whole = np.rint(np.asarray(data_array, dtype=np.float64) * STEPS).astype(np.uint8)
        image = super().create_backend_obj(whole, *args, **kwargs | {"dtype": np.uint8})
        image.header.set_slope_inter(1 / STEPS, 0)
        return image
