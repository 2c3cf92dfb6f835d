"""Links to scans: names that the inference looks for, and nothing of a user's is lost."""

import numpy as np
import pytest
from files import scan, write_nifti, write_series

from tanq_monai.errors import InputError
from tanq_monai.labelling.links import link_scans, unlink_scan
from tanq_monai.scans.folder import find_images
from tanq_monai.scans.gathering import gather_scans
from tanq_monai.scans.volume import read_volume

POSITIONS = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]


@pytest.fixture
def scans(tmp_path):
    """A NIfTI file of any name, and two series in one folder."""
    write_nifti(tmp_path / "in" / "my scan.nii", scan())
    for number in (4, 7):
        write_series(tmp_path / "in" / "study", np.rint(scan(number)), POSITIONS, SeriesNumber=number)
    return gather_scans([tmp_path / "in" / "my scan.nii", tmp_path / "in" / "study"], "hrT2").scans


def test_the_inference_finds_every_scan_under_the_name_of_its_case_with_its_voxels(scans, tmp_path):
    places = link_scans(scans, tmp_path / "links", "hrT2")
    found = {case["case"]: case["image"] for case in find_images(tmp_path / "links").cases}
    assert {*found} == {"my scan", "study_4", "study_7"}
    assert {str(link): place for link, place in places.items()} == {found[one.case]: one.place for one in scans}
    np.testing.assert_array_equal(read_volume(found["my scan"]).voxels, scan())
    for number in (4, 7):
        np.testing.assert_array_equal(read_volume(found[f"study_{number}"]).voxels, np.rint(scan(number)))


def test_links_of_an_earlier_run_are_gone_and_the_scans_are_not(scans, tmp_path):
    link_scans(scans, tmp_path / "links", "hrT2")
    (link,) = link_scans(scans[:1], tmp_path / "links", "hrT2")
    assert [*(tmp_path / "links").iterdir()] == [link]
    assert all(file.is_file() for one in scans for file in one.files)


def test_a_folder_with_files_of_a_user_is_left_alone(scans, tmp_path):
    own = tmp_path / "links" / "deep" / "own.nii.gz"
    write_nifti(own, scan())
    with pytest.raises(InputError, match=r"own.nii.gz: lies where links to the scans belong"):
        link_scans(scans, tmp_path / "links", "hrT2")
    assert own.is_file()


def test_a_link_is_taken_away_and_its_scan_stays(scans, tmp_path):
    for link in link_scans(scans, tmp_path / "links", "hrT2"):
        unlink_scan(link)
    assert [*(tmp_path / "links").iterdir()] == []
    assert all(file.is_file() for one in scans for file in one.files)


def test_files_of_one_name_in_several_folders_stay_apart(tmp_path):
    uid = write_series(tmp_path / "s" / "1", np.rint(scan())[:, :, :3], POSITIONS[:3])
    write_series(tmp_path / "s" / "2", np.rint(scan())[:, :, 3:], POSITIONS[3:], series=uid)
    (link,) = link_scans(gather_scans([tmp_path], "hrT2").scans, tmp_path / "links", "hrT2")
    np.testing.assert_array_equal(read_volume(link).voxels, np.rint(scan()))


def test_where_no_links_can_be_made_files_are_copied(scans, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr("os.symlink", refuse)
    for link in link_scans(scans, tmp_path / "links", "hrT2"):
        assert not any(path.is_symlink() for path in [link, *link.rglob("*")])
        read_volume(link)
