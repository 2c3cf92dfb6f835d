"""What DICOM is told of the regions of a label map: names, sides, codes, colours."""

import numpy as np
import pytest
from pydicom.sr.codedict import codes

from tanq_monai.anatomy.findings import find
from tanq_monai.dicom_results.regions import regions_of
from tanq_monai.structures import Structures

AFFINE = np.diag([-0.5, -0.6, 1.5, 1.0])  # LPS


def labels(vs=True, right=True, left=True):
    made = np.zeros((200, 60, 24), np.uint8)
    if vs:
        made[150:170, 30:40, 5:11] = 1  # on the left
    if right:
        made[20:26, 30:36, 8:11] = 2
    if left:
        made[160:166, 20:26, 8:11] = 2
    return made


def test_regions_are_named_in_one_order_whatever_was_found():
    for given in ({}, {"vs": False}, {"vs": False, "right": False, "left": False}):
        found = regions_of(labels(**given), AFFINE)
        assert [region.name for region in found] == ["VS", "right cochlea", "left cochlea"]
        assert [region.found for region in found] == [given.get(name, True) for name in ("vs", "right", "left")]
        assert len({region.colour for region in found}) == 3


def test_masks_are_the_voxels_of_the_label_and_no_voxel_is_of_two():
    vs, right, left = regions_of(labels(), AFFINE)
    np.testing.assert_array_equal(vs.mask, labels() == 1)
    np.testing.assert_array_equal(right.mask, labels(vs=False, left=False) == 2)
    np.testing.assert_array_equal(left.mask, labels(vs=False, right=False) == 2)


def test_sides_are_those_of_the_volumes():
    vs, right, left = regions_of(labels(), AFFINE)
    assert (vs.side, right.side, left.side) == (find(labels(), AFFINE)["VS"]["side"], "right", "left")
    assert vs.side == "left"
    assert regions_of(labels(right=False, left=False), AFFINE)[0].side is None


@pytest.mark.parametrize("ear", ["right", "left"])
def test_a_single_cochlea_is_on_the_side_on_which_its_volume_is_told(ear):
    other = {"right": "left", "left": "right"}[ear]
    given = labels(**{other: False})
    sides = {region.side: region.found for region in regions_of(given, AFFINE)[1:]}
    assert sides == {side: one["found"] for side, one in find(given, AFFINE)["cochlea"].items()}


def test_a_schwannoma_is_a_tumor_of_the_nerve_and_a_cochlea_an_organ_of_the_inner_ear():
    vs, right, _ = regions_of(labels(), AFFINE)
    assert (vs.kind.value, vs.kind.meaning) == ("126949007", "Vestibular schwannoma")
    assert (vs.category, vs.place) == (
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.VestibulocochlearNerve,
    )
    assert (right.kind.value, right.category) == ("80169004", codes.SCT.AnatomicalStructure)
    assert right.place == codes.SCT.InnerEar


def test_parts_of_a_vs_are_regions_on_its_side():
    given = labels()
    given[given == 2] = 3
    given[160:][given[160:] == 1] = 2
    found = regions_of(given, AFFINE, Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}))
    assert [(region.name, region.side) for region in found[:2]] == [
        ("VS intrameatal", "left"),
        ("VS extrameatal", "left"),
    ]
