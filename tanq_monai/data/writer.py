"""NIfTI files that are there completely or not at all."""

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.data import NibabelWriter

from tanq_monai.data.raw_dataset import ENDING
from tanq_monai.files import check_renewable, renewing

STEPS = 255  # of a share in [0, 1] that is stored as a whole number


def check_results(folder: str | Path, cases: Iterable[Mapping[str, str]], *postfixes: str) -> None:
    """Raise where a run would replace what no run wrote, before it segments or translates.

    Args:
        folder: gets ``{case}_{postfix}.nii.gz``.
        cases: dicts with ``case``.
        postfixes: of the results of each.

    Raises:
        InputErrors: one line for each file.
    """
    check_renewable(Path(folder) / f"{case['case']}_{postfix}{ENDING}" for case in cases for postfix in postfixes)


class AtomicNibabelWriter(NibabelWriter):  # type: ignore[misc]
    """MONAI's NIfTI writer, writing aside and renaming: no half file is left, and nobody's own file replaced."""

    def write(self, filename: str | PathLike[str], verbose: bool = False, **kwargs: Any) -> None:
        """Write the array that was set.

        Args:
            filename: ends in ``.nii`` or ``.nii.gz``.
            verbose: as in :class:`monai.data.NibabelWriter`.
            **kwargs: as in :class:`monai.data.NibabelWriter`.
        """
        with renewing(os.fspath(filename)) as temporary:
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
