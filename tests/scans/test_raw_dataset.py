"""nnU-Net's raw data set as a source of cases."""

import json
import shutil

import numpy as np
import pytest
from files import THREE, scan, structures, three_classes, write_case, write_nifti
from nnunetv2.utilities.label_handling.label_handling import LabelManager

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.provenance import write_provenance
from tanq_monai.scans.folder import find_images, find_labelled, find_sources, problems_of
from tanq_monai.scans.naming import name_by_case
from tanq_monai.scans.raw_dataset import describe_dataset


def write_raw(folder, names, listed=True, voxels=structures, **labels):
    for name in names:
        write_nifti(folder / "imagesTr" / f"{name}_0000.nii.gz", scan())
        write_nifti(folder / "labelsTr" / f"{name}.nii.gz", voxels().astype(np.uint8))
    files = {name: (f"imagesTr/{name}_0000.nii.gz", f"labelsTr/{name}.nii.gz") for name in names}
    content = describe_dataset(files, **labels)
    if not listed:
        del content["dataset"]
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("listed", [True, False])
def test_its_cases_come_with_their_labels(tmp_path, listed):
    folder = write_raw(tmp_path, ["b_1_tanq", "a_tanq-etz"], listed)
    expected = [
        {
            "case": n,
            "patient": n,
            "image": f"{folder}/imagesTr/{n}_0000.nii.gz",
            "label": f"{folder}/labelsTr/{n}.nii.gz",
        }
        for n in ("a_tanq-etz", "b_1_tanq")
    ]
    assert find_labelled(folder, folder).cases == expected


def test_a_relative_folder_is_read_as_well(tmp_path, monkeypatch):
    write_raw(tmp_path / "raw", ["a"], listed=False)
    monkeypatch.chdir(tmp_path)
    found = find_labelled("raw")
    assert found.problems == []
    assert found.cases[0]["image"] == "raw/imagesTr/a_0000.nii.gz"


def test_only_what_is_listed_belongs_to_it(tmp_path):
    write_raw(tmp_path, ["a", "b"])
    write_raw(tmp_path, ["b"])
    assert [case["case"] for case in find_labelled(tmp_path).cases] == ["b"]


@pytest.mark.parametrize("lost", ["imagesTr/b_0000.nii.gz", "labelsTr/b.nii.gz"])
def test_a_file_whose_other_one_is_lost_is_told(tmp_path, lost):
    write_raw(tmp_path, ["a", "b"], listed=False)
    (tmp_path / lost).unlink()
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == ["a"]
    (problem,) = found.problems
    assert "b.nii.gz: " in str(problem)


def test_an_image_with_another_name_is_told(tmp_path):
    write_raw(tmp_path, ["a"], listed=False)
    path = write_nifti(tmp_path / "imagesTr" / "b.nii.gz", scan())
    (problem,) = find_labelled(tmp_path).problems
    assert str(problem).startswith(f"{path}: belongs to no case; ")


def test_bad_cases_are_told_and_good_ones_listed(tmp_path):
    write_raw(tmp_path, ["a", "b", "c"])
    (tmp_path / "labelsTr" / "a.nii.gz").unlink()
    (tmp_path / "imagesTr" / "b_0000.nii.gz").write_bytes(b"")
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == ["c"]
    with pytest.raises(InputErrors, match=r"a\.nii\.gz: is missing, the label of .*\n.*b_0000\.nii\.gz: is empty"):
        found.raise_problems()


def test_several_channels_are_told(tmp_path):
    write_raw(tmp_path, ["a"], listed=False)
    write_nifti(tmp_path / "imagesTr" / "a_0001.nii.gz", scan())
    with pytest.raises(InputError, match=r"dataset.json: a has 2 channels; give one image per case"):
        find_labelled(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"dataset": {"a": {}}}'])
def test_a_description_of_something_else_is_told(tmp_path, text):
    write_raw(tmp_path, ["a"])
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(
        InputError, match=r"dataset.json: is no description of nnU-Net's \(.*\); write the data set again"
    ):
        find_labelled(tmp_path)


def test_the_views_of_a_case_are_one_patients(tmp_path):
    write_raw(tmp_path, ["a_cyclegan", "a_tanq", "b_tanq", "c"])
    records = {"a_cyclegan": {"case": "a"}, "a_tanq": {"case": "a"}, "b_tanq": {"case": "b"}, "gone": {"case": "d"}}
    (tmp_path / "provenance.json").write_text(json.dumps({"files": records}))
    assert [case["patient"] for case in find_labelled(tmp_path).cases] == ["a", "a", "b", "c"]


@pytest.mark.parametrize("text", ["{", "[]", '{"files": 3}', '{"files": {"a": 3}}'])
def test_a_provenance_that_says_nothing_of_the_kind_is_told(tmp_path, text):
    write_raw(tmp_path, ["a"])
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(InputError, match=r"provenance.json: cannot be read; remove it, or choose another folder"):
        find_labelled(tmp_path)


def test_a_description_names_the_structures_and_what_is_ignored_last(tmp_path):
    assert describe_dataset({})["labels"] == {"background": 0, "VS": 1, "cochlea": 2}
    labels = describe_dataset({}, THREE, ignore=True)["labels"]
    assert labels == {"background": 0, "VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3, "ignore": 4}
    manager = LabelManager(labels, None)
    assert (manager.all_labels, manager.ignore_label) == ([0, 1, 2, 3], 4)


def test_a_data_set_of_three_classes_is_one_by_the_configuration_alone(tmp_path):
    write_raw(tmp_path, ["a"], voxels=three_classes, structures=THREE)
    assert len(find_labelled(tmp_path, structures=THREE).cases) == 1
    with pytest.raises(InputError) as error:
        find_labelled(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}/dataset.json: labels {THREE} are not the structures {{'VS': 1, 'cochlea': 2}} "
        "of the configuration; set structures"
    )


def test_ignored_voxels_of_a_data_set_are_no_structure(tmp_path):
    def partly_ignored():
        return np.where(structures() == 0, 3, structures())

    write_raw(tmp_path, ["a"], voxels=partly_ignored, ignore=True)
    cases = find_labelled(tmp_path).cases
    assert "holds unknown label 3" in str(problems_of(cases)[0])


def test_labels_of_its_images_are_named_by_their_cases(tmp_path):
    write_raw(tmp_path, ["p1_tanq", "p1_cyclegan"])
    images = [case["image"] for case in find_images(tmp_path).cases]
    subjects = [name_by_case({"filename_or_obj": image}, None)["subject"] for image in images]
    assert subjects == ["p1_cyclegan.nii.gz", "p1_tanq.nii.gz"]


@pytest.mark.parametrize("name", ["a_0001.nii.gz", "b.nii.gz", "b_0000.mha"])
def test_images_that_are_none_of_one_channel_are_told(tmp_path, name):
    write_raw(tmp_path, ["a"])
    (tmp_path / "imagesTr" / name).write_bytes(b"not looked into")
    found = find_images(tmp_path)
    assert [case["case"] for case in found.cases] == ["a"]
    assert [str(problem).partition(": ")[0] for problem in found.problems] == [str(tmp_path / "imagesTr" / name)]


@pytest.mark.parametrize("find", [find_images, find_labelled])
def test_a_folder_of_images_that_is_missing_is_told(tmp_path, find):
    write_raw(tmp_path, ["a"], listed=False)
    shutil.rmtree(tmp_path / "imagesTr")
    with pytest.raises(InputError, match=rf"^{tmp_path}/imagesTr: is no folder, and the data set's images belong"):
        find(tmp_path)


@pytest.mark.parametrize("entry", [{"images": [3], "label": "x"}, {"images": ["x"], "label": None}, {"images": 3}, 3])
def test_a_description_that_lists_no_files_is_told(tmp_path, entry):
    write_raw(tmp_path, ["a"])
    content = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(content | {"dataset": {"a": entry}}))
    with pytest.raises(
        InputError, match=r"dataset\.json: is no description of nnU-Net's \(.*\); write the data set again"
    ):
        find_labelled(tmp_path)


def test_a_description_with_one_structure_twice_is_told(tmp_path):
    path = write_raw(tmp_path, ["a"]) / "dataset.json"
    path.write_text(path.read_text().replace('"VS": 1', '"VS": 3, "VS": 1'))
    with pytest.raises(InputError, match=r"is no description of nnU-Net's \('VS' is named twice\); write"):
        find_labelled(tmp_path)


def test_what_a_command_left_about_itself_does_not_make_its_folder_one_of_translations(tmp_path):
    image, _ = write_case(tmp_path)
    write_provenance(tmp_path, "phantom", {"seed": 0}, {})
    (case,) = find_sources(tmp_path).cases
    assert case["image"] == str(image)
