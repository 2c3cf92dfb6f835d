"""Volumes and extents of labels of known size."""

import itertools
import math

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.anatomy.findings import axial_diameter, find
from tanq_monai.structures import Structures

SPACING = np.array([0.5, 0.6, 1.5])
AFFINE = np.diag([*(SPACING * (-1, -1, 1)), 1.0])  # LPS
SHAPE = (200, 100, 24)


def labels(right=True, left=True, vs=True):
    """A box of VS on the right, a box of cochlea on either side."""
    made = np.zeros(SHAPE, np.uint8)
    if vs:
        made[40:80, 40:60, 5:11] = 1  # 20 mm, 12 mm, 6 slices
    if right:
        made[20:30, 30:38, 8:12] = 2  # 5 mm, 4.8 mm, 4 slices
    if left:
        made[160:170, 30:38, 8:12] = 2
    return made


def test_volumes_and_extents_are_those_of_the_boxes():
    found = find(labels(), AFFINE)
    assert found["VS"] == {
        "found": True,
        "volume_ml": pytest.approx(40 * 20 * 6 * 0.45 / 1000),
        "left_right_mm": 20.0,
        "front_back_mm": 12.0,
        "up_down_mm": 7.5,  # between the middles of its slices
        "axial_diameter_mm": pytest.approx(math.hypot(20, 12), abs=0.05),
        "side": "right",
    }
    for side in ("right", "left"):
        assert found["cochlea"][side]["found"]
        assert found["cochlea"][side]["volume_ml"] == pytest.approx(10 * 8 * 4 * 0.45 / 1000)
    assert [doubt.split(" of ")[0] for doubt in found["doubts"]] == ["right cochlea", "left cochlea"]  # .144 ml


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2)])
def test_the_order_and_direction_of_the_axes_make_no_difference(axes, flipped):
    turned = nib.Nifti1Image(labels(), AFFINE).as_reoriented(
        np.array([(axes[axis], -1 if axis in flipped else 1) for axis in range(3)])
    )
    assert find(np.asarray(turned.dataobj), turned.affine) == find(labels(), AFFINE)


@pytest.mark.parametrize(("right", "left"), [(True, False), (False, True), (False, False)])
def test_a_cochlea_that_is_missing_is_told(right, left):
    found = find(labels(right, left), AFFINE)
    assert (found["cochlea"]["right"]["found"], found["cochlea"]["left"]["found"]) == (right, left)
    missing = [doubt.split()[0] for doubt in found["doubts"] if " cochlea missing" in doubt]
    assert missing == [side for side, there in (("right", right), ("left", left)) if not there]


def test_specks_are_no_cochlea():
    made = labels(left=False)
    made[160:162, 30:32, 8] = 2  # 1.8 mm3
    assert not find(made, AFFINE)["cochlea"]["left"]["found"]


def test_a_second_piece_of_vs_is_doubted_and_no_figure_goes_from_one_to_the_other():
    made = labels()
    made[150:160, 60:70, 5:8] = 1  # 135 mm3 on the other side
    alone, both = find(labels(), AFFINE), find(made, AFFINE)
    assert both["VS"] == alone["VS"]
    assert both["doubts"] == [*alone["doubts"], "VS in 2 pieces: 135 mm³ of it lie apart from the one measured"]


def test_specks_beside_a_vs_are_no_piece_of_it():
    made = labels()
    made[150, 60, 5] = 1
    assert find(made, AFFINE) == find(labels(), AFFINE)


def test_an_empty_label_has_nothing():
    found = find(np.zeros(SHAPE, np.uint8), AFFINE)
    assert found["VS"] == {"found": False, "volume_ml": 0.0}
    assert [doubt.split(" (")[0] for doubt in found["doubts"]] == [
        "VS missing",
        "right cochlea missing",
        "left cochlea missing",
    ]


def test_the_axial_diameter_is_the_longest_line_of_a_slice_between_corners_of_its_pixels():
    mask = np.random.default_rng(0).random((9, 8, 4)) > 0.8
    longest = 0.0
    for k in range(4):
        corners = [
            ((i + di) * SPACING[0], (j + dj) * SPACING[1])
            for i, j in np.argwhere(mask[:, :, k])
            for di, dj in itertools.product((0, 1), repeat=2)
        ]
        longest = max(longest, *(math.dist(a, b) for a, b in itertools.combinations(corners, 2)))
    assert axial_diameter(mask, AFFINE) == pytest.approx(longest)
    assert axial_diameter(np.zeros((3, 3, 3), bool), AFFINE) == 0


def test_parts_of_a_vs_are_measured_as_one():
    whole, parts = labels(), labels()
    parts[parts == 2] = 3
    parts[60:][parts[60:] == 1] = 2
    named = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    found, expected = find(parts, AFFINE, named), find(whole, AFFINE)
    voxel_ml = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
    for value, name in ((1, "intrameatal_ml"), (2, "extrameatal_ml")):
        assert found["VS"].pop(name) == pytest.approx(np.count_nonzero(parts == value) * voxel_ml, abs=1e-4)
    assert found == expected


def test_without_a_cochlea_every_structure_is_measured_by_its_own_name():
    found = find(labels(), AFFINE, Structures({"VS": 1, "nerve": 2}))
    assert list(found) == ["VS", "nerve", "doubts"]
    assert found["doubts"] == []
    voxel_ml = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
    assert found["nerve"]["volume_ml"] == pytest.approx(np.count_nonzero(labels() == 2) * voxel_ml, abs=5e-5)
