"""Structure sets of labelled series: none is left behind that is not of the label beside it."""

from pathlib import Path

import numpy as np
import pytest
from files import scan, structures, write_nifti, write_series

from tanq_monai.labelling.labelled import measure
from tanq_monai.labelling.structure_sets import structure_set_paths, with_structure_set
from tanq_monai.scans.gathering import gather_scans
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import STRUCTURES

POSITIONS = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]
UIDS = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}


@pytest.fixture
def folder(tmp_path):
    """Series with and without UIDs, and a folder of results."""
    write_series(tmp_path / "with", np.rint(scan()), POSITIONS, **UIDS)
    write_series(tmp_path / "without", np.rint(scan()), POSITIONS)
    (tmp_path / "out").mkdir()
    return tmp_path


def labelled(folder, name, label):
    path = write_nifti(folder / "out" / f"{name}_Label.nii.gz", label, read_volume(folder / name).affine)
    one = measure(name, folder / name, path, STRUCTURES, ears_first=False)
    return with_structure_set(one, folder / name, STRUCTURES)


def test_a_series_gets_one_and_is_told_where_it_lies(folder):
    one = labelled(folder, "with", structures())
    assert one.structure_set == folder / "out" / "with_RTSTRUCT.dcm"
    assert one.structure_set.is_file()
    assert one.described()["structure_set"] == str(one.structure_set)


def test_where_nothing_is_found_any_more_that_of_an_earlier_run_is_taken_away(folder):
    labelled(folder, "with", structures())
    one = labelled(folder, "with", np.zeros_like(structures()))
    assert one.structure_set is None
    assert "structure_set" not in one.described()
    assert [path.name for path in (folder / "out").glob("*.dcm")] == []


def test_a_series_to_which_nothing_can_refer_is_labelled_all_the_same_and_it_is_told(folder):
    one = labelled(folder, "without", structures())
    assert one.structure_set is None
    assert one.remarks[-1] == "no RT Structure Set, for a slice has no FrameOfReferenceUID"
    assert [path.name for path in (folder / "out").glob("*.dcm")] == []


def test_files_that_would_be_written_are_those_of_the_series(folder):
    write_nifti(folder / "a_hrT2.nii.gz", scan())
    found = gather_scans([folder / "a_hrT2.nii.gz", folder / "with"], "hrT2").scans
    assert structure_set_paths(found, Path("out")) == [Path("out/with_RTSTRUCT.dcm")]
