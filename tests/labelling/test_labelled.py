"""What is told of a label: figures of boxes of known size, in the table, in a line, and in words."""

import csv
import json
import math

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.errors import InputErrors
from tanq_monai.labelling.labelled import COLUMNS, Labelled, measure, write_table
from tanq_monai.structures import STRUCTURES, Structures

AFFINE = np.diag([-0.5, -0.6, 1.5, 1.0])  # LPS, 0.45 mm3
VOXEL_ML = 0.5 * 0.6 * 1.5 / 1000
PARTS = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})


def without_parts(row):
    return {name: cell for name, cell in row.items() if "meatal" not in name}


def boxes(vs=True, right=True, left=True):
    made = np.zeros((200, 100, 24), np.uint8)
    if vs:
        made[40:80, 40:60, 5:11] = 1  # 20 mm x 12 mm in a slice, on the right
    if right:
        made[20:26, 30:36, 8:11] = 2  # 48.6 mm3
    if left:
        made[160:166, 30:36, 8:11] = 2
    return made


def measured(folder, label, structures=STRUCTURES, ears_first=True, voxels=None):
    path = folder / "a_Label.nii.gz"
    nib.save(nib.Nifti1Image(label, AFFINE), path)
    return measure("a", folder / "a_hrT2.nii.gz", path, structures, ears_first, seconds=2.0, voxels=voxels)


def test_the_row_holds_ml_side_and_the_longest_line_of_a_slice(tmp_path):
    row = measured(tmp_path, boxes()).row
    assert tuple(row) == ("case", *COLUMNS, "remarks")
    assert row["vs_ml"] == pytest.approx(40 * 20 * 6 * VOXEL_ML)
    assert row["cochlea_right_ml"] == row["cochlea_left_ml"] == pytest.approx(6 * 6 * 3 * VOXEL_ML)
    assert (row["vs_side"], row["remarks"]) == ("right", "")
    assert row["vs_axial_diameter_mm"] == pytest.approx(math.hypot(20, 12), abs=0.05)


def test_the_line_says_the_same(tmp_path):
    assert str(measured(tmp_path, boxes())) == "a: VS right 2.160 ml, 23.3 mm; cochlea right 0.049 ml, left 0.049 ml"


def test_what_is_missing_is_told_in_words(tmp_path):
    one = measured(tmp_path, boxes(vs=False, left=False))
    assert one.remarks[0] == "one cochlea was found, not two"
    assert [remark.split(" (")[0] for remark in one.remarks[1:]] == ["VS missing", "left cochlea missing"]
    assert str(one).startswith(
        "a: no VS; cochlea right 0.049 ml, left not found; one cochlea was found, not two; VS missing"
    )
    assert (one.row["vs_ml"], one.row["vs_side"], one.row["vs_axial_diameter_mm"]) == (0.0, "", "")


def test_of_a_scan_without_ears_nothing_but_that_is_told(tmp_path):
    empty = measured(tmp_path, boxes(False, False, False))
    assert empty.remarks == ("no cochlea was found, so nothing is labelled",)


def test_without_ears_first_nothing_is_said_of_that_rule(tmp_path):
    empty = measured(tmp_path, boxes(False, False, False), ears_first=False)
    assert len(empty.remarks) == 3
    assert all(" missing (usual" in remark for remark in empty.remarks)


def test_parts_of_a_vs_count_together(tmp_path):
    label = boxes()
    label[label == 2] = 3
    label[60:][label[60:] == 1] = 2
    assert measured(tmp_path, label, PARTS).row.items() >= without_parts(measured(tmp_path, boxes()).row).items()


def test_labelled_parts_of_a_vs_have_columns_of_their_own(tmp_path):
    label = boxes()
    label[label == 2] = 3
    label[60:][label[60:] == 1] = 2
    one = measured(tmp_path, label, PARTS)
    assert tuple(one.row) == ("case", *COLUMNS, "vs_intrameatal_ml", "vs_extrameatal_ml", "remarks")
    half = pytest.approx(20 * 20 * 6 * VOXEL_ML)
    assert (one.row["vs_intrameatal_ml"], one.row["vs_extrameatal_ml"]) == (half, half)
    assert one.described()["VS"]["intrameatal_ml"] == half


def test_the_grade_is_estimated_where_the_scan_is_given(tmp_path):
    scan = np.where(boxes() == 1, 300.0, 1000.0)
    one = measured(tmp_path, boxes(), voxels=scan)
    assert (one.row["vs_koos_estimated"], one.described()["VS"]["koos_estimated"]) == ("I or II", "I or II")
    assert Labelled.from_record(json.loads(json.dumps(one.record())), tmp_path).row == one.row
    scan[80:] = 200.0
    assert measured(tmp_path, boxes(), voxels=scan).row["vs_koos_estimated"] == "III or IV"


def test_without_a_scan_a_vs_or_its_cochlea_there_is_no_grade(tmp_path):
    without = [boxes(vs=False), boxes(right=False, left=False), boxes(False, False, False)]
    for label, scan in ((boxes(), None), *((label, np.ones(label.shape)) for label in without)):
        one = measured(tmp_path, label, ears_first=False, voxels=scan)
        assert one.row["vs_koos_estimated"] == ""
        assert not {"koos_estimated", "koos_not_graded"} & one.described()["VS"].keys()


def test_why_a_vs_has_no_grade_is_told(tmp_path):
    one = measured(tmp_path, boxes(), voxels=np.where(boxes() == 1, 1000.0, 300.0))
    assert one.row["vs_koos_estimated"] == ""
    assert one.described()["VS"]["koos_not_graded"] == "no fluid about the VS is brighter"


def test_the_table_is_read_back_as_it_was_written(tmp_path):
    labelled = [measured(tmp_path, boxes()), measured(tmp_path, boxes(vs=False, left=False))]
    write_table(labelled, tmp_path / "volumes.csv")
    with (tmp_path / "volumes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{name: str(value) for name, value in one.row.items()} for one in labelled]


def test_a_table_that_nobody_wrote_by_this_is_not_replaced(tmp_path):
    (tmp_path / "volumes.csv").write_text("mine")
    with pytest.raises(InputErrors, match="is there already"):
        write_table([measured(tmp_path, boxes())], tmp_path / "volumes.csv")
    assert (tmp_path / "volumes.csv").read_text() == "mine"
