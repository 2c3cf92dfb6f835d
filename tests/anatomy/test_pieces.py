"""Connected pieces, and what is near a mask, by NumPy alone, beside SciPy's."""

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.anatomy.components import connected_pieces, find_components

EVERY_NEIGHBOUR = np.ones((3, 3, 3))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1, 0.3, 0.9, 1.0])
def test_pieces_and_their_numbers_are_those_of_scipy(share):
    mask = np.random.default_rng(0).random((21, 17, 9)) < share
    np.testing.assert_array_equal(connected_pieces(mask), ndimage.label(mask, EVERY_NEIGHBOUR)[0])


def test_a_long_winding_piece_is_one():
    mask = np.zeros((60, 60, 1), dtype=bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    assert connected_pieces(mask).max() == ndimage.label(mask, EVERY_NEIGHBOUR)[1] == 1


@pytest.mark.parametrize("join_mm", [0.0, 0.5, 1.0, 2.2, 6.0])
def test_pieces_are_joined_that_are_near_by_scipys_distances(join_mm):
    mask, spacing = np.random.default_rng(1).random((30, 25, 8)) < 0.01, (0.4, 0.5, 1.5)
    near = ndimage.distance_transform_edt(~mask, sampling=spacing) <= join_mm / 2 + 1e-3
    expected = np.where(mask, ndimage.label(near, EVERY_NEIGHBOUR)[0], 0)
    found, pieces = find_components(mask, np.ones(mask.shape), np.diag([*spacing, 1.0]), join_mm)
    pairs = {*zip(found[mask].tolist(), expected[mask].tolist(), strict=True)}
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pieces)
