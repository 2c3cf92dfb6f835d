import numpy as np
import pytest

from tanq_monai.report.contours import PALETTE, colours_of, contours

SPACING = np.array([0.5, 2.0, 1.5])


def _area(line):
    """Shoelace formula, mm2."""
    (x, y), (u, v) = line[:-1].T, line[1:].T
    return abs((x * v - u * y).sum()) / 2


def test_contour_of_a_rectangle_runs_along_the_edges_of_its_voxels_with_corners_cut_by_half_a_voxel():
    mask = np.zeros((20, 10), dtype=bool)
    mask[4:8, 3:6] = True
    (line,) = contours(mask, SPACING)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose([line.min(axis=0), line.max(axis=0)], [[4 * 0.5, 3 * 2.0], [8 * 0.5, 6 * 2.0]])
    assert len(line) == 8 + 1  # an octagon, whatever the length of its sides
    assert _area(line) == pytest.approx((4 * 3 - 4 / 8) * 0.5 * 2.0)


def test_contour_of_a_mask_at_the_border_is_closed():
    (line,) = contours(np.ones((4, 3), dtype=bool), SPACING)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose([line.min(axis=0), line.max(axis=0)], [[0, 0], [4 * 0.5, 3 * 2.0]])


def test_a_hole_and_a_second_part_have_contours_of_their_own():
    mask = np.zeros((20, 10), dtype=bool)
    mask[2:9, 2:9] = True
    mask[5, 5] = False
    mask[15, 5] = True
    areas = sorted(_area(line) for line in contours(mask, np.ones(3)))
    assert areas == pytest.approx([0.5, 0.5, 49 - 0.5])


def test_empty_mask_has_no_contour():
    assert contours(np.zeros((4, 4), dtype=bool), SPACING) == []


def test_every_structure_has_a_colour_and_the_first_six_are_apart():
    names = [f"structure {i}" for i in range(8)]
    colours = colours_of(names)
    assert list(colours) == names
    assert len(set(list(colours.values())[:6])) == 6
    assert colours["structure 6"] == PALETTE[0]
