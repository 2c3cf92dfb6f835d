"""Voxels whose three edges differ: every axis goes by its own."""

import numpy as np
import pytest

from tanq_monai.translation.slice_grid import plan_slices

EDGES = (0.5, 0.8, 1.5)  # mm, of x, y, z
SHAPE = (22, 15, 4)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_a_ramp_in_mm_is_the_same_ramp_in_slices_and_back(order: tuple[int, int, int]) -> None:
    """Linear interpolation of what is linear in mm is exact."""
    x, y, z = np.meshgrid(*(edge * np.arange(n) for edge, n in zip(EDGES, SHAPE, strict=True)), indexing="ij")
    ramp = (100 + 3 * x - 2 * y + z).astype(np.float32)
    affine = np.diag([-EDGES[0], -EDGES[1], EDGES[2], 1.0])[:, [*order, 3]]
    volume = ramp.transpose(order)
    grid = plan_slices(volume, affine, size=40, pixel_mm=0.3)
    slices = grid.to_slices(volume)
    inside = (slices > 0).all(axis=0)  # outside the volume slices are 0
    rows, columns = np.flatnonzero(inside.any(axis=1))[1:-1], np.flatnonzero(inside.any(axis=0))[1:-1]
    inner = slices[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(np.diff(inner, axis=2), 3 * 0.3, atol=1e-3)
    np.testing.assert_allclose(np.diff(inner, axis=1), -2 * 0.3, atol=1e-3)
    np.testing.assert_allclose(np.diff(inner, axis=0), 1.5, atol=1e-3)
    back = np.transpose(grid.to_volume(slices), np.argsort(order))
    np.testing.assert_allclose(back[3:-3, 3:-3], ramp[3:-3, 3:-3], atol=1e-2)
