"""NIfTI files on the grid of their scan, there completely or not at all, as MONAI's ``SaveImaged`` writes."""

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageWriter
from monai.utils import get_equivalent_dtype
from numpy.typing import NDArray

from tanq_monai.files import check_renewable
from tanq_monai.scans.grid import in_scanner
from tanq_monai.scans.loading import grid_in, has_grid
from tanq_monai.scans.naming import ENDING

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


class GridWriter(ImageWriter):  # type: ignore[misc]
    """Writes one channel with both transforms of its scan's header; an interrupted run leaves no half file.

    Args:
        output_dtype: of the voxels.
        **kwargs: of other writers; not used.
    """

    slope = 1.0  # by which what is stored is multiplied

    def __init__(self, output_dtype: Any = np.float32, **kwargs: Any) -> None:
        super().__init__(output_dtype=output_dtype)

    def set_data_array(self, data_array: Any, channel_dim: int | None = 0, **kwargs: Any) -> None:
        """Of shape (1, i, j, k)."""
        array = np.asarray(data_array.cpu() if hasattr(data_array, "cpu") else data_array)
        self.data_obj = array if channel_dim is None else np.moveaxis(array, channel_dim, 0)[0]

    def set_metadata(self, meta_dict: Mapping[Any, Any] | None, resample: bool = True, **options: Any) -> None:
        """Of the scan; without its grid, as MONAI's other readers leave it, its affine has to do."""
        meta = meta_dict or {}
        self.grid = grid_in(meta) if has_grid(meta) else in_scanner(self.data_obj.shape, np.asarray(meta["affine"]))

    def write(self, filename: str | PathLike[str], verbose: bool = False, **kwargs: Any) -> None:
        """Write the array that was set to a file that ends in ``.nii.gz``."""
        super().write(filename, verbose=verbose)
        self.grid.save(self.stored(self.data_obj), Path(filename), self.slope)

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values as the file holds them."""
        return values.astype(get_equivalent_dtype(self.output_dtype, np.ndarray))


class ShareWriter(GridWriter):
    """Shares in [0, 1] as uint8 with ``scl_slope`` 1/255: a reader gets them back to 1/510."""

    slope = 1 / STEPS

    def stored(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The nearest step."""
        return np.rint(values.astype(np.float64) * STEPS).astype(np.uint8)
