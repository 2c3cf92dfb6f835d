"""Axial slices of a volume at one pixel size, centred on the head, and the way back onto the volume's own grid.

Axes: Z slices, Y rows towards posterior, X columns towards the patient's left, whatever order the file stores. NumPy
alone: the runtime without torch cuts slices by it, too.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tanq_monai.scans.grid import STORED, reorientation, reoriented, turned_back

Array = NDArray[np.floating]
Voxels = NDArray[np.generic]
Slices = NDArray[np.float32]
Mode = Literal["bilinear", "nearest"]
HEAD_FRACTION = 0.1  # of the 99th percentile: above it a pixel counts as head


@dataclass(frozen=True)
class SliceGrid:
    """How the voxels of a volume map to slices.

    Attributes:
        shape: of the volume as stored.
        orientation: nibabel's orientation transform from the stored axes to (x left, y posterior, z superior).
        spacing: mm per voxel along x, y, z.
        center: of the slices, in voxels along x, y.
        slab: first and last + 1 voxel slice.
        size: pixels of a slice, both ways.
        pixel_mm: mm per pixel of a slice.
    """

    shape: tuple[int, int, int]
    orientation: Array
    spacing: tuple[float, float, float]
    center: tuple[float, float]
    slab: tuple[int, int]
    size: int
    pixel_mm: float

    def to_slices(self, volume: Voxels, mode: Mode = "bilinear") -> Slices:
        """(i, j, k) as stored -> float32 slices (Z, Y, X), 0 outside the volume."""
        slices = np.ascontiguousarray(self._canonical(volume)[self.slab[0] : self.slab[1]], dtype=np.float32)
        offsets = (np.arange(self.size) - (self.size - 1) / 2) * self.pixel_mm
        rows = self.center[1] + offsets / self.spacing[1]
        columns = self.center[0] + offsets / self.spacing[0]
        return _sample(slices, rows, columns, mode)

    def to_volume(self, slices: Slices) -> Slices:
        """Slices (Z, Y, X) -> (i, j, k) as stored, float32, 0 where no slice reaches."""
        depth, height, width = self._canonical(np.empty(self.shape, dtype=np.bool_)).shape
        middle = (self.size - 1) / 2
        rows = (np.arange(height) - self.center[1]) * self.spacing[1] / self.pixel_mm + middle
        columns = (np.arange(width) - self.center[0]) * self.spacing[0] / self.pixel_mm + middle
        canonical = np.zeros((depth, height, width), dtype=np.float32)
        canonical[self.slab[0] : self.slab[1]] = _sample(slices, rows, columns, "bilinear")
        stored = reoriented(canonical.transpose(2, 1, 0), turned_back(self.orientation))
        return np.ascontiguousarray(stored)

    def _canonical(self, volume: Voxels) -> Voxels:
        return reoriented(volume, self.orientation).transpose(2, 1, 0)


def plan_slices(
    volume: Voxels,
    affine: Array,
    size: int,
    pixel_mm: float,
    label: Voxels | None = None,
    slab_mm: float | None = None,
) -> SliceGrid:
    """The slice grid at the height of the ears.

    In plane it is centred on the head, not on the volume: on both contrasts, whatever the field of view, the ears then
    lie at the same place. Up and down it spans ``slab_mm`` round the structures where there is a label.

    Args:
        volume: (i, j, k) as stored.
        affine: voxel to mm, RAS (4, 4); may be oblique, slices then keep the volume's own axes.
        size: pixels of a slice, both ways.
        pixel_mm: mm per pixel.
        label: on the grid of ``volume``.
        slab_mm: height of the slab; None for the whole volume. Without structures, the volume's middle.
    """
    orientation = reorientation(affine, STORED)
    oriented = reoriented(volume, orientation)
    spacing = _reordered_spacing(affine, orientation)
    structures = None if label is None else reoriented(label, orientation) > 0
    slab = _slab(oriented.shape[2], spacing[2], structures, slab_mm)
    x, y = _head_center(oriented[:, :, slab[0] : slab[1]])
    center = _on_voxels(x, size, pixel_mm / spacing[0]), _on_voxels(y, size, pixel_mm / spacing[1])
    i, j, k = volume.shape
    return SliceGrid((i, j, k), orientation, spacing, center, slab, size, pixel_mm)


def slice_heights(shape: tuple[int, int, int], affine: Array, slab_mm: float | None = None) -> Array:
    """Height over the slab's middle, in mm, of every slice that :func:`plan_slices` plans; from lowest to highest."""
    orientation = reorientation(affine, STORED)
    depth, spacing = shape[int(np.flatnonzero(orientation[:, 0] == 2)[0])], _reordered_spacing(affine, orientation)[2]
    count = _count(depth, spacing, slab_mm)
    return (np.arange(count) - (count - 1) / 2) * spacing


def _count(depth: int, spacing: float, slab_mm: float | None) -> int:
    return depth if slab_mm is None else min(depth, max(1, round(slab_mm / spacing)))


def _reordered_spacing(affine: Array, orientation: Array) -> tuple[float, float, float]:
    stored = np.linalg.norm(affine[:3, :3], axis=0)
    spacing = np.empty(3)
    spacing[orientation[:, 0].astype(int)] = stored
    x, y, z = spacing.tolist()
    return x, y, z


def _slab(depth: int, spacing: float, structures: NDArray[np.bool_] | None, slab_mm: float | None) -> tuple[int, int]:
    if slab_mm is None:
        return 0, depth
    middle = (depth - 1) / 2
    if structures is not None and structures.any():
        occupied = np.flatnonzero(structures.any(axis=(0, 1)))
        middle = (occupied[0] + occupied[-1]) / 2
    count = _count(depth, spacing, slab_mm)
    start = min(max(round(middle - (count - 1) / 2), 0), depth - count)
    return start, start + count


def _head_center(slab: Array) -> tuple[float, float]:
    """Middle of the head's bounding box along x and y, in voxels."""
    mean = np.asarray(slab.mean(axis=2), dtype=np.float64)
    head = mean > HEAD_FRACTION * np.percentile(mean, 99)
    x, y = (np.flatnonzero(head.mean(axis=axis) > 0.05) for axis in (1, 0))
    if not len(x) or not len(y):
        return (slab.shape[0] - 1) / 2, (slab.shape[1] - 1) / 2
    return float(x[0] + x[-1]) / 2, float(y[0] + y[-1]) / 2


def _on_voxels(center: float, size: int, pixel_voxels: float) -> float:
    """Where a pixel is as large as a voxel, let them coincide: half a voxel off, slices would be blurred both ways."""
    middle = (size - 1) / 2
    return round(center - middle) + middle if abs(pixel_voxels - 1) < 0.01 else center


def _sample(slices: Slices, rows: Array, columns: Array, mode: Mode) -> Slices:
    """Every slice (Z, Y, X) at the pixel coordinates ``rows`` x ``columns``; 0 outside. Separable: two products."""
    across = _weights(columns, slices.shape[2], mode).T
    return np.stack([_weights(rows, slices.shape[1], mode) @ plane @ across for plane in slices])


def _weights(places: Array, count: int, mode: Mode) -> Slices:
    """(places, count): what every one of ``count`` pixels contributes at every place of an axis."""
    if mode == "nearest":
        return np.asarray(np.rint(places)[:, None] == np.arange(count), dtype=np.float32)
    return np.asarray(np.clip(1 - np.abs(places[:, None] - np.arange(count)), 0, None), dtype=np.float32)
