"""Anatomy sampled on a regular lattice of points, to measure what has been drawn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.painting.kernel import paint_blocks
from tanq_monai.phantom.painting.scene import make_plan, make_scene
from tanq_monai.phantom.painting.shapes import Array, Layer

Kinds = NDArray[np.uint8]


def make_lattice(low: Array, high: Array, step: float) -> Array:
    """Points every ``step`` mm from ``low`` to ``high`` (3,), in the middle of their cubes: (I, J, K, 3), mm."""
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def paint_lattice(
    layers: Sequence[Layer], lattice: Array, block: int = 64, wanted: NDArray[np.bool_] | None = None
) -> Kinds:
    """Tissue (I, J, K) at every point of a lattice (I, J, K, 3), mm.

    ``block`` points along each axis are painted at once: few where there are many small layers, most of them far away.
    Where points are not ``wanted`` (I, J, K) there is air.
    """
    scene, shape = make_scene(layers), lattice.shape[:3]
    tissues, most = np.zeros(shape, np.uint8), int(np.prod(np.minimum(shape, block)))
    room = (np.zeros((3, most)), np.zeros(most, np.uint8), np.zeros(most, np.int64), make_plan(scene))
    everywhere = np.ones(shape, np.bool_) if wanted is None else wanted
    paint_blocks(scene, np.ascontiguousarray(lattice), everywhere, block, room, tissues)
    return tissues
