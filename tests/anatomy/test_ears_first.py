"""Ears first: which labels stay."""

import numpy as np
import pytest

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.structures import STRUCTURES, Structures

AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])  # voxels of 1 mm; index 0 is the patient's right
SHAPE = (120, 100, 30)


def labels(*boxes):
    """Each (value, center, edge): a cube."""
    volume = np.zeros(SHAPE, np.uint8)
    for value, center, edge in boxes:
        volume[tuple(slice(c - edge // 2, c - edge // 2 + edge) for c in center)] = value
    return volume


RIGHT, LEFT = (2, (25, 50, 15), 5), (2, (94, 50, 15), 5)
VS = (1, (40, 55, 15), 9)


def test_both_cochleae_and_the_vs_near_them_stay_as_they_are():
    given = labels(RIGHT, LEFT, VS)
    kept, doubt = EarsFirst(STRUCTURES)(given, AFFINE)
    np.testing.assert_array_equal(kept, given)
    assert doubt == ""
    assert kept.dtype == np.uint8


def test_a_larger_vs_far_from_both_ears_is_background_and_the_small_one_near_them_stays():
    scalp = (1, (60, 90, 15), 16)
    kept, _ = EarsFirst(STRUCTURES)(labels(RIGHT, LEFT, VS, scalp), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS))


def test_what_is_neither_vs_nor_cochlea_stays_and_so_does_all_where_one_of_them_is_unknown():
    nerve, scalp = (3, (60, 90, 15), 6), (1, (60, 20, 15), 16)
    named = Structures({"VS": 1, "cochlea": 2, "nerve": 3})
    kept, doubt = EarsFirst(named)(labels(RIGHT, LEFT, VS, scalp, nerve), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS, nerve))
    assert doubt == ""
    given = labels(RIGHT, VS, scalp)
    kept, doubt = EarsFirst(Structures({"myocardium": 1, "left atrium": 2}))(given, AFFINE)
    np.testing.assert_array_equal(kept, given)
    assert doubt == ""


def test_of_two_near_the_ears_the_larger_one_stays():
    other = (1, (85, 60, 15), 5)
    kept, _ = EarsFirst(STRUCTURES)(labels(RIGHT, LEFT, VS, other), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((1, (13, 50, 15), 13), id="lateral of the cochlea"),
        pytest.param((1, (28, 34, 15), 13), id="in front of it"),
        pytest.param((1, (25, 53, 6), 11), id="below it"),
    ],
)
def test_a_larger_one_as_near_to_an_ear_but_where_no_vs_lies_is_background(other):
    kept, _ = EarsFirst(STRUCTURES)(labels(RIGHT, LEFT, VS, other), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS))


def test_a_pair_that_can_be_ears_wins_over_a_large_component_that_cannot():
    canal = (2, (60, 20, 15), 20)
    kept, doubt = EarsFirst(STRUCTURES)(labels(RIGHT, LEFT, VS, canal), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS))
    assert doubt == ""


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([(2, (29, 20, 15), 5), (2, (91, 20, 15), 5)], id="nearer to each other"),
        pytest.param([(2, (25, 20, 15), 5), (2, (92, 40, 15), 5)], id="aslant"),
        pytest.param([(2, (25, 20, 15), 9), (2, (94, 20, 15), 9)], id="too large"),
        pytest.param([(2, (25, 20, 15), 3), (2, (94, 20, 15), 3)], id="small"),
    ],
)
def test_of_two_pairs_the_one_that_is_more_like_patients_ears_stays(others):
    kept, doubt = EarsFirst(STRUCTURES)(labels(RIGHT, LEFT, VS, *others), AFFINE)
    np.testing.assert_array_equal(kept, labels(RIGHT, LEFT, VS))
    assert doubt == ""


def test_an_ear_beside_a_vs_is_one_though_it_is_found_in_part_and_a_larger_piece_elsewhere_is_none():
    part, vessel = (2, (25, 50, 15), 3), (2, (60, 20, 15), 4)
    kept, doubt = EarsFirst(STRUCTURES)(labels(part, VS, vessel), AFFINE)
    np.testing.assert_array_equal(kept, labels(part, VS))
    assert doubt == "one cochlea was found, not two"
    kept, _ = EarsFirst(STRUCTURES)(labels(part, vessel), AFFINE)
    np.testing.assert_array_equal(kept, labels(vessel))


def test_a_vs_beside_the_ear_that_was_not_found_stays_though_a_small_one_lies_beside_the_other():
    other = (1, (80, 58, 15), 3)
    kept, doubt = EarsFirst(STRUCTURES)(labels(LEFT, VS, other), AFFINE)
    np.testing.assert_array_equal(kept, labels(LEFT, VS))
    assert doubt == "one cochlea was found, not two"


@pytest.mark.parametrize("ear", [RIGHT, LEFT])
def test_one_ear_is_told_and_a_vs_beside_it_stays(ear):
    beside = (1, (40 if ear is RIGHT else 79, 55, 15), 9)
    kept, doubt = EarsFirst(STRUCTURES)(labels(ear, beside), AFFINE)
    np.testing.assert_array_equal(kept, labels(ear, beside))
    assert doubt == "one cochlea was found, not two"


def test_without_a_cochlea_nothing_is_labelled_and_that_is_told():
    kept, doubt = EarsFirst(STRUCTURES)(labels(VS), AFFINE)
    assert not kept.any()
    assert doubt == "no cochlea was found, so nothing is labelled"


def test_a_scan_without_labels_stays_empty():
    kept, doubt = EarsFirst(STRUCTURES)(np.zeros(SHAPE, np.uint8), AFFINE)
    assert not kept.any()
    assert doubt.startswith("no cochlea")


def test_parts_of_a_vs_are_one_and_keep_their_values():
    structures = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    given = labels((3, RIGHT[1], 5), (3, LEFT[1], 5), (1, (33, 53, 15), 5), (2, (40, 53, 15), 9))
    kept, _ = EarsFirst(structures)(given, AFFINE)
    np.testing.assert_array_equal(kept, given)


def test_structures_that_are_no_ears_are_not_judged():
    given = labels(VS)
    kept, doubt = EarsFirst(Structures({"left atrium": 1}))(given, AFFINE)
    np.testing.assert_array_equal(kept, given)
    assert doubt == ""


def test_places_are_millimetres_and_not_voxels():
    """The same head in voxels half as wide lies in twice as many of them."""
    given = labels(RIGHT, LEFT, VS).repeat(2, axis=0)
    kept, doubt = EarsFirst(STRUCTURES)(given, AFFINE @ np.diag([0.5, 1, 1, 1]))
    np.testing.assert_array_equal(kept, given)
    assert doubt == ""
