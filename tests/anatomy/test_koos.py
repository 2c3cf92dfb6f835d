"""Koos grades of boxes of VS in boxes of fluid, with boxes of brain at known distances."""

import itertools
import math

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.anatomy.koos import Koos, estimate_koos
from tanq_monai.anatomy.measured import find_anatomy
from tanq_monai.anatomy.porus import find_porus
from tanq_monai.structures import Structures

AFFINE = np.diag([-0.5, -1.0, 1.0, 1.0])  # LPS
SHAPE = (200, 40, 30)
FLUID, VS, BRAIN = 1000.0, 300.0, 200.0
EAR = 30  # index of the right cochlea's middle along left-right; the left one's lies 70 mm from it
PORUS = 12.75  # mm from it: half of a cochlea and the canal, 5.815 / 2 + 9.84


def head(reach=20.0, gap=None, side="right", brain=range(30)):
    """Label and scan: a VS up to ``reach`` mm medially of the cochlea, brain ``gap`` mm behind it in some slices."""
    label, scan = np.zeros(SHAPE, np.uint8), np.full(SHAPE, FLUID)
    end = EAR + round(reach / 0.5)
    label[EAR - 4 : EAR + 5, 6:10, 13:17] = 2
    label[EAR + 136 : EAR + 145, 6:10, 13:17] = 2
    label[EAR + 10 : end, 12:24, 10:20] = 1
    if gap is not None:
        scan[end + round(gap / 0.5) : EAR + 70, :, brain.start : brain.stop] = BRAIN
    scan[label == 1] = VS
    return (label, scan) if side == "right" else (label[::-1], scan[::-1])


def grade(label, scan, affine=AFFINE):
    return estimate_koos(label, scan, affine).grade


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("reach", "gap", "expected"),
    [
        (PORUS + 1, None, "I or II"),
        (25, None, "I or II"),
        (25, 6, "I or II"),
        (25, 1, "III or IV"),
        (25, 0, "III or IV"),
    ],
)
def test_the_grade_follows_the_reach_and_what_lies_behind_on_either_side(side, reach, gap, expected):
    assert grade(*head(reach, gap, side)) == expected


def test_brain_behind_a_small_part_of_the_surface_is_not_reached():
    assert grade(*head(25, 0, brain=range(10, 12))) == "I or II"  # 12 x 2 mm
    assert grade(*head(25, 0, brain=range(10, 13))) == "III or IV"  # 12 x 3 mm


def test_what_lies_beside_the_canal_is_not_reached():
    assert grade(*head(PORUS - 1, 0)) == "I or II"


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flipped", [(), (0,), (1, 2)])
@pytest.mark.parametrize("gap", [0, 6])
def test_the_order_and_direction_of_the_axes_make_no_difference(axes, flipped, gap):
    turn = np.array([(axes[axis], -1 if axis in flipped else 1) for axis in range(3)])
    label, scan = (nib.Nifti1Image(one, AFFINE).as_reoriented(turn) for one in head(25, gap))
    assert grade(np.asarray(label.dataobj), np.asarray(scan.dataobj), label.affine) == grade(*head(25, gap))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("reach", "gap"), [(PORUS + 1, None), (25, 6), (25, 0)])
@pytest.mark.parametrize("degrees", [-10, 12])
def test_a_head_tilted_on_the_grid_has_the_same_grade(side, reach, gap, degrees):
    label, scan = head(reach, gap, side)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    middle = AFFINE @ [*((np.array(SHAPE) - 1) / 2), 1]
    tilt = np.eye(4)  # about the patient's long axis, through the middle
    tilt[:2, :2] = [[cos, -sin], [sin, cos]]
    tilt[:3, 3] = middle[:3] - tilt[:3, :3] @ middle[:3]
    index = np.indices(SHAPE).reshape(3, -1)
    places = np.linalg.inv(AFFINE) @ tilt @ AFFINE @ np.vstack([index, np.ones(index.shape[1])])
    nearest = np.rint(places[:3]).astype(int)
    inside = ((nearest >= 0) & (nearest < np.array(SHAPE)[:, None])).all(axis=0)
    turned = np.zeros(SHAPE, np.uint8), np.full(SHAPE, FLUID)
    for of, to in zip((label, scan), turned, strict=True):
        to.reshape(-1)[inside] = of[tuple(nearest[:, inside])]
    assert grade(*turned) == grade(label, scan)


def test_brightness_of_the_scan_makes_no_difference():
    label, scan = head(25, 1)
    assert grade(label, 0.01 * scan + 7) == "III or IV"


def test_where_the_vs_is_cut_off_or_no_fluid_is_brighter_the_reason_is_told():
    label, scan = head()
    cut = estimate_koos(label[:, :, 10:], scan[:, :, 10:], AFFINE)
    assert cut == Koos(None, "the VS is cut off by the edge of the scan")
    dark = estimate_koos(label, np.where(label == 1, scan, 0), AFFINE)
    assert str(dark) == "no Koos grade is estimated: no fluid about the VS is brighter"


def test_fluid_is_looked_for_as_far_as_15_mm_also_where_the_axes_lie_aslant():
    label, _ = head(20)
    reach = np.flatnonzero((label == 1).any(axis=(1, 2)))
    scan = np.full(SHAPE, VS)
    scan[: reach[0] - 30] = scan[reach[-1] + 31 :] = FLUID
    for degrees in np.linspace(-15, 15, 61):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ AFFINE
        assert estimate_koos(label, scan, turned) == Koos(None, "no fluid about the VS is brighter")
    scan[reach[-1] + 29 :] = FLUID
    assert grade(label, scan) == "III or IV"


def test_without_a_vs_or_its_cochlea_there_is_no_grade():
    label, scan = head()
    removed, deaf = label.copy(), label.copy()
    removed[removed == 1] = 0
    crumb = removed.copy()
    crumb[60:62, 20, 15] = 1  # 1 mm3
    deaf[: EAR + 6][deaf[: EAR + 6] == 2] = 0
    without = np.where(label == 1, label, 0).astype(np.uint8)
    for one in (removed, crumb, deaf, without, np.zeros(SHAPE, np.uint8)):
        found = estimate_koos(one, scan, AFFINE)
        assert (found, str(found)) == (Koos(), "")


def test_structures_without_ears_get_no_grade():
    assert estimate_koos(*head(), AFFINE, Structures({"nerve": 1, "artery": 2})) == Koos()


def test_labelled_parts_of_a_vs_are_graded_as_one():
    label, scan = head(25, 0)
    label[label == 2] = 3
    label[EAR + 40 :][label[EAR + 40 :] == 1] = 2
    parts = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    assert str(estimate_koos(label, scan, AFFINE, parts)) == "Koos III or IV, estimated"


def test_the_other_cochlea_may_be_missing():
    label, scan = head(25, 0)
    label[EAR + 100 :] = 0
    assert grade(label, scan) == "III or IV"


@pytest.mark.parametrize(("side", "towards"), [("right", -1), ("left", 1)])
def test_the_porus_lies_half_a_cochlea_and_a_canal_towards_the_other_ear(side, towards):
    label, _ = head(side=side)
    found = find_porus(find_anatomy(label == 1, label == 2, AFFINE))
    cochlea, other = (EAR, EAR + 140) if side == "right" else (SHAPE[0] - 1 - EAR, SHAPE[0] - 1 - EAR - 140)
    np.testing.assert_allclose(found.place, [-0.5 * cochlea + towards * (5.815 / 2 + 9.84), -7.5, 14.5])
    np.testing.assert_allclose(found.medial, [towards, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.beyond(np.array([[other, 7, 14]]), AFFINE), [70 - 5.815 / 2 - 9.84])
