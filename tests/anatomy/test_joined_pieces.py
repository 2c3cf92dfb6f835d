"""Pieces of a structure, on voxels that are longer one way than another."""

import numpy as np
import pytest

from tanq_monai.anatomy.components import find_components

AFFINE = np.diag([0.5, 1.0, 3.0, 1.0])


def pieces(*places: tuple[int, int, int]) -> int:
    """How many pieces these voxels are, where 1.6 mm join."""
    mask = np.zeros((12, 12, 6), bool)
    for place in places:
        mask[place] = True
    return len(find_components(mask, np.ones(mask.shape), AFFINE, join_mm=1.6)[1])


def test_pieces_are_joined_by_millimetres_not_by_voxels():
    assert pieces((1, 5, 2), (4, 5, 2)) == 1  # 1.5 mm, two voxels between them
    assert pieces((1, 5, 2), (6, 5, 2)) == 2  # 2.5 mm
    assert pieces((1, 5, 2), (1, 5, 4)) == 2  # 6 mm, one voxel between them


def test_a_piece_has_its_volume_and_place_in_mm_where_it_was_joined():
    mask = np.zeros((12, 12, 6), bool)
    mask[1, 5, 2] = mask[4, 5, 2] = True
    ids, (piece,) = find_components(mask, np.full(mask.shape, 0.5), AFFINE, join_mm=1.6)
    assert (piece.volume, piece.weight) == pytest.approx((3.0, 1.5))
    assert piece.center.tolist() == [1.25, 5.0, 6.0]
    assert np.array_equal(ids > 0, mask)
