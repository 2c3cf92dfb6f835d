"""Scans in files, folders and trees: which are taken, what they are called, and what is told of the others."""

import numpy as np
import pytest
from files import MPRAGE, scan, structures, write_nifti, write_series

from tanq_monai.scans.gathering import gather_scans

POSITIONS = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]


def series(folder, **tags):
    """A series of hrT2 by its header, which says little."""
    return write_series(folder, np.rint(scan()), POSITIONS, **tags)


def names(found):
    return [one.case for one in found.scans]


def told(problems):
    return [str(problem) for problem in problems]


def test_a_file_that_is_named_may_be_called_anything(tmp_path):
    path = write_nifti(tmp_path / "my scan.nii", scan())
    found = gather_scans([path], "hrT2")
    assert [(one.case, one.place, one.files) for one in found.scans] == [("my scan", path, (path,))]
    assert (found.problems, found.passed_over) == ([], [])


def test_a_tree_gives_its_files_and_series_and_no_other_contrast_or_result(tmp_path):
    write_nifti(tmp_path / "nifti" / "a_hrT2.nii.gz", scan())
    write_nifti(tmp_path / "nifti" / "deep" / "b_T2.nii.gz", scan())
    write_nifti(tmp_path / "nifti" / "a_ceT1.nii.gz", scan())
    write_nifti(tmp_path / "nifti" / "a_Label.nii.gz", structures())
    series(tmp_path / "dicom" / "c")
    write_series(tmp_path / "dicom" / "d", np.rint(scan()), POSITIONS, **MPRAGE)
    found = gather_scans([tmp_path], "hrT2")
    assert sorted(names(found)) == ["a", "b", "c"]
    assert found.problems == []
    (line,) = told(found.passed_over)
    assert line.startswith(f"{tmp_path / 'dicom' / 'd'}: is no hrT2 by its header")


def test_series_of_one_folder_are_told_apart_by_their_numbers(tmp_path):
    series(tmp_path / "study", SeriesNumber=4)
    series(tmp_path / "study", SeriesNumber=7)
    found = gather_scans([tmp_path], "hrT2")
    assert names(found) == ["study_4", "study_7"]
    assert [len(one.files) for one in found.scans] == [6, 6]
    assert not {*found.scans[0].files} & {*found.scans[1].files}


def test_a_series_in_several_folders_is_one(tmp_path):
    uid = write_series(tmp_path / "s" / "one", np.rint(scan()), POSITIONS[:3])
    write_series(tmp_path / "s" / "two", np.rint(scan())[:, :, 3:], POSITIONS[3:], series=uid)
    found = gather_scans([tmp_path], "hrT2")
    assert names(found) == ["s"]
    assert [path.parent.name for path in found.scans[0].files] == ["one"] * 3 + ["two"] * 3


def test_cases_of_one_name_get_the_folders_above_in_front_as_far_as_it_takes(tmp_path):
    for folder in ("p1/mr", "p2/mr", "p3/MR", "p3/other"):
        write_nifti(tmp_path / folder / "scan_T2.nii.gz", scan())
    series(tmp_path / "p4" / "scan_T2")
    found = gather_scans([tmp_path], "hrT2")
    assert names(found) == ["p1_mr_scan", "p2_mr_scan", "p3_MR_scan", "other_scan", "p4_scan"]


def test_names_that_differ_in_capitals_alone_are_the_same(tmp_path):
    for name in ("a/Scan.nii.gz", "b/scan.nii.gz", "c/other.nii.gz"):
        write_nifti(tmp_path / name, scan())
    assert names(gather_scans(sorted(tmp_path.rglob("*.nii.gz")), "hrT2")) == ["a_Scan", "b_scan", "other"]


def test_a_name_that_no_folder_tells_apart_gets_a_number(tmp_path):
    series(tmp_path / "study")
    series(tmp_path / "study")
    first, second = names(gather_scans([tmp_path], "hrT2"))
    assert second == f"{first}_2"


def test_a_scan_that_is_named_twice_is_taken_once(tmp_path):
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", scan())
    (tmp_path / "link_hrT2.nii.gz").symlink_to(path)
    assert names(gather_scans([path, tmp_path, tmp_path], "hrT2")) == ["a"]


def test_the_folder_of_the_results_is_not_searched(tmp_path):
    write_nifti(tmp_path / "a_hrT2.nii.gz", scan())
    write_nifti(tmp_path / "out" / "linked_scans" / "b_hrT2.nii.gz", scan())
    assert names(gather_scans([tmp_path], "hrT2", leave_out=tmp_path / "out")) == ["a"]


def test_a_raw_data_set_of_nnunet_gives_its_images(tmp_path):
    write_nifti(tmp_path / "imagesTr" / "a_0000.nii.gz", scan())
    write_nifti(tmp_path / "labelsTr" / "a.nii.gz", structures())
    (tmp_path / "dataset.json").write_text("{}")
    assert names(gather_scans([tmp_path], "hrT2")) == ["a"]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: None, "x.txt: is not there; see whether its name is right"),
        (lambda path: path.write_text("hello"), "x.txt: is neither NIfTI nor DICOM; store the scan as .nii.gz"),
        (lambda path: path.mkdir(), "x.txt: holds no hrT2 scan; give *_hrT2.nii.gz or *_T2.nii.gz, or a DICOM series"),
    ],
)
def test_a_place_without_a_scan_is_told_and_the_others_are_searched(tmp_path, make, line):
    make(tmp_path / "x.txt")
    good = write_nifti(tmp_path / "a_hrT2.nii.gz", scan())
    found = gather_scans([tmp_path / "x.txt", good], "hrT2")
    assert told(found.problems) == [f"{tmp_path}/{line}"]
    assert names(found) == ["a"]


def test_a_place_with_nothing_but_another_contrast_is_a_problem(tmp_path):
    write_series(tmp_path / "t1", np.rint(scan()), POSITIONS, **MPRAGE)
    found = gather_scans([tmp_path / "t1"], "hrT2")
    assert (found.scans, found.passed_over) == ([], [])
    (line,) = told(found.problems)
    assert "is no hrT2 by its header" in line


def test_a_file_of_another_contrast_a_broken_one_and_an_unfinished_series_are_told(tmp_path):
    named = write_nifti(tmp_path / "a_ceT1.nii.gz", scan())
    (tmp_path / "b_hrT2.nii.gz").write_bytes(b"no gzip")
    write_series(tmp_path / "gap", np.rint(scan()), [0.0, 1.5, 3.0, 4.5, 7.5, 9.0])
    found = gather_scans([named, tmp_path], "hrT2")
    assert found.scans == []
    lines = told(found.problems)
    assert [line.split(": ")[0].rpartition("/")[2] for line in lines] == ["a_ceT1.nii.gz", "b_hrT2.nii.gz", "gap"]
    assert "has slice steps from 1.50 to 3.00 mm" in lines[2]
