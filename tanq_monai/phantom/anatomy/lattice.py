"""Anatomy sampled on a regular lattice of points, to measure what has been drawn."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.painting.paint import tissue_at
from tanq_monai.phantom.painting.scene import make_scene
from tanq_monai.phantom.painting.shapes import Array, Layer

Kinds = NDArray[np.uint8]


def make_lattice(low: Array, high: Array, step: float) -> Array:
    """Points every ``step`` mm from ``low`` to ``high`` (3,), in the middle of their cubes: (I, J, K, 3), mm."""
    axes = [np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def paint_lattice(layers: Sequence[Layer], lattice: Array, block: int = 64) -> Kinds:
    """Tissue (I, J, K) at every point of a lattice (I, J, K, 3).

    ``block`` points along each axis are painted at once: few where there are many small layers, most of them far away.
    """
    scene = make_scene(layers)
    tissues = np.zeros(lattice.shape[:3], np.uint8)
    for part in _blocks(tissues.shape, block):
        points = lattice[part]
        tissues[part] = tissue_at(scene, points.reshape(-1, 3)).reshape(points.shape[:3])
    return tissues


def _blocks(shape: tuple[int, ...], block: int) -> Iterator[tuple[slice, ...]]:
    for corner in np.ndindex(*(-(-n // block) for n in shape)):
        yield tuple(slice(c * block, (c + 1) * block) for c in corner)
