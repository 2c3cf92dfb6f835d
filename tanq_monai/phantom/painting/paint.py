"""Paints layers onto the voxels of a scan, cell by cell, with supersampling for partial volume."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.painting.kernel import paint_cells, paint_samples, plan_cell
from tanq_monai.phantom.painting.scene import Scene, make_plan
from tanq_monai.phantom.painting.shapes import Array
from tanq_monai.phantom.tissues import Kind

Float32 = NDArray[np.float32]
Labels = NDArray[np.uint8]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Cells:
    """The voxels in cells of some mm, between whose corners positions are interpolated.

    Args:
        shape: of the scan in voxels.
        edge: voxels of a cell along each axis.
        corners: positions of the corners in the anatomy, (cells + 1 along each axis, 3), mm.
        phase: at the same corners, in bins of the signal table, (cells + 1 along each axis).
        factor: samples per voxel and axis.
        fine_factor: the same within ``fine_reach`` (mm along x, y, z) of one of the ``fine_centers`` (N, 3).
    """

    shape: Shape
    edge: Shape
    corners: Array
    phase: Array
    factor: Shape
    fine_factor: Shape
    fine_centers: Array
    fine_reach: tuple[float, float, float]


def paint(scene: Scene, cells: Cells, signals: Mapping[Kind, Array]) -> tuple[Float32, Labels]:
    """Mean signal of every voxel, and the structure that fills at least half of it (0, 1 VS, 2 cochlea).

    Args:
        scene: of :func:`~tanq_monai.phantom.painting.scene.make_scene`.
        cells: the voxels.
        signals: of every tissue, (bins,): one entry, or one for each bin of ``cells.phase``.
    """
    image, label = np.zeros(cells.shape, np.float32), np.zeros(cells.shape, np.uint8)
    table = np.array([signals[kind] for kind in Kind], np.float64)
    factors = np.array([cells.factor, cells.fine_factor])
    fine = (cells.fine_centers, np.array(cells.fine_reach))
    points = np.zeros((3, int(np.prod(cells.edge)) * int(factors.prod(axis=1).max())))
    room = (points, np.zeros(points.shape[1], np.uint8), np.zeros(points.shape[1], np.int64), make_plan(scene))
    paint_cells(scene, (np.array(cells.edge), cells.corners, cells.phase), factors, fine, table, room, image, label)
    return image, label


def tissue_at(scene: Scene, points: Array) -> NDArray[np.uint8]:
    """Tissue at every one of the points (N, 3), mm, of the undeformed anatomy."""
    places = np.ascontiguousarray(np.asarray(points, np.float64).T)
    plan, tissues = make_plan(scene), np.zeros(len(points), np.uint8)
    if len(points):
        number, tissues[:] = plan_cell(scene, np.arange(len(scene.kind)), places.min(axis=1), places.max(axis=1), plan)
        paint_samples(scene, plan, number, len(points), places, tissues, np.zeros(len(points), np.int64))
    return tissues
