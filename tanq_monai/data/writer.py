"""NIfTI files that are there completely or not at all."""

import os
from os import PathLike
from typing import Any

from monai.data import NibabelWriter

from tanq_monai.files import replacing


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
