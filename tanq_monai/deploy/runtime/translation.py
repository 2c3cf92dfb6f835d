"""A translator's ONNX file on a scan, as ``tanq_translation/configs/inference.yaml`` does it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines import Engine
from tanq_monai.errors import InputError
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.intensity import from_unit_range, scale_to_unit_range
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import SliceGrid, plan_slices

BLANK = -1.0  # of an image in [-1, 1]: what lies outside the scan


def translate(
    engine: Engine,
    properties: Mapping[str, Any],
    scan: NDArray[Any],
    affine: NDArray[np.float64],
    label: NDArray[Any],
    style: str | None = None,
    structures: Structures = STRUCTURES,
) -> NDArray[np.float32]:
    """Pseudo-hrT2 (x, y, z) in [0, 1] of a ceT1 scan (x, y, z); 0 outside the translated slab.

    Args:
        engine: that runs the file.
        properties: of the file.
        scan: any unit and number type.
        affine: voxel to mm, RAS (4, 4).
        label: on the grid of the scan.
        style: the look of hrT2; may be left out where the file knows one.
        structures: names and values of the label.

    Raises:
        InputError: when the file knows no such style, or several and none is asked for.
    """
    number = _style_number(properties["styles"], style)
    pixels, pixel_mm, slab_mm = (properties[name] for name in ("pixels", "spacing", "slab_mm"))
    grid = plan_slices(scan, affine, pixels, pixel_mm, label, slab_mm)
    return grid.to_volume(_translated(engine, grid, scan, label, number, structures))


def _translated(
    engine: Engine,
    grid: SliceGrid,
    scan: NDArray[Any],
    label: NDArray[Any],
    style: int,
    structures: Structures,
) -> NDArray[np.float32]:
    """Slices (Z, Y, X) in [0, 1]; those without signal stay 0."""
    images = scale_to_unit_range(grid.to_slices(scan))
    regions = to_regions(grid.to_slices(label, mode="nearest"), structures.regions().of_values)
    translated = np.zeros_like(images)
    for z in np.flatnonzero((images > BLANK).any(axis=(1, 2))):
        inputs = {"image": np.stack([images[z], regions[z]])[None], "style": np.array([style])}
        translated[z] = from_unit_range(engine(inputs)[0, 0])
    return translated


def _style_number(styles: list[str], style: str | None) -> int:
    if style is None and len(styles) == 1:
        return 0
    if style is None:
        raise InputError("style", "is missing, and the file knows several", f"choose one of {', '.join(styles)}")
    if style not in styles:
        raise InputError(f"style {style}", "is none of the file's", f"choose one of {', '.join(styles)}")
    return styles.index(style)
