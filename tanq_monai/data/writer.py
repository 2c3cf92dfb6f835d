"""NIfTI files that are there completely or not at all."""

import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from monai.data import NibabelWriter

_SUFFIX = ".nii.gz"


class AtomicNibabelWriter(NibabelWriter):  # type: ignore[misc]
    """MONAI's NIfTI writer, writing aside and renaming: an interrupted run leaves no half file."""

    def write(self, filename: str | PathLike[str], verbose: bool = False, **kwargs: Any) -> None:
        """Write the array that was set.

        Args:
            filename: ends in ``.nii`` or ``.nii.gz``.
            verbose: as in :class:`monai.data.NibabelWriter`.
            **kwargs: as in :class:`monai.data.NibabelWriter`.
        """
        path = Path(filename)
        suffix = _SUFFIX if path.name.endswith(_SUFFIX) else path.suffix
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
            temporary = Path(folder) / f"image{suffix}"
            super().write(temporary, verbose=verbose, **kwargs)
            os.replace(temporary, path)
