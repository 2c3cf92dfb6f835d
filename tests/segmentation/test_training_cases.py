"""Labelled and pseudo-labelled scans together."""

from pathlib import Path

import pytest

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.scans.folder import Listing
from tanq_monai.segmentation.training.training_cases import (
    are_given,
    find_pseudo_labelled,
    fine_tuning_dir,
    named_cases,
    training_cases,
)


def scan(*names):
    return Listing([{"case": name, "image": f"{name}.nii.gz", "label": f"{name}_Label.nii.gz"} for name in names])


def test_only_pseudo_labelled_cases_may_hold_ignored_voxels():
    found = training_cases(scan("a", "b"), scan("t"))
    assert [(case["case"], case.get("ignore", False)) for case in found] == [("a", False), ("b", False), ("t", True)]


def test_doubled_names_and_no_pseudo_labels_are_told():
    with pytest.raises(InputError, match="a: is a labelled and a pseudo-labelled case"):
        training_cases(scan("a"), scan("a"))
    with pytest.raises(InputError, match="pseudo_label_dir: holds no label of a scan in target_dir"):
        training_cases(scan("a"), Listing())


def test_problems_of_either_side_stop_the_training():
    problem = InputError("x.nii.gz", "is empty", "copy it again")
    for sides in ((Listing([], [problem]), None), (scan("a"), Listing([], [problem]))):
        with pytest.raises(InputErrors, match=r"x.nii.gz: is empty"):
            training_cases(*sides)


def test_an_adversary_takes_the_scans_without_labels_too(tiny_phantom, tmp_path):
    target = tiny_phantom / "training_target"
    label = sorted((tiny_phantom / "withheld_labels" / "training_target").glob("*_Label.nii.gz"))[1]
    (tmp_path / label.name).write_bytes(label.read_bytes())
    some, none = (find_pseudo_labelled(target, folder, unlabelled=True).cases for folder in (tmp_path, None))
    assert [case["case"] for case in some] == [case["case"] for case in none]
    assert len(some) == 4
    assert ["label" in case for case in some] == [False, True, False, False]
    assert not any("label" in case for case in none)
    together = training_cases(scan("a"), Listing(none))
    assert not are_given(together)
    assert [case.get("ignore", False) for case in together] == [False, True, True, True, True]
    with pytest.raises(InputError, match="adversary: has no real scans to tell from translations; give target_dir"):
        find_pseudo_labelled(None, None, unlabelled=True)


def test_scans_without_pseudo_labels_wait(tiny_phantom, tmp_path):
    target = tiny_phantom / "training_target"
    label = sorted((tiny_phantom / "withheld_labels" / "training_target").glob("*_Label.nii.gz"))[1]
    (tmp_path / label.name).write_bytes(label.read_bytes())
    found = find_pseudo_labelled(target, tmp_path)
    assert [case["case"] for case in found.cases] == [label.name.removesuffix("_Label.nii.gz")]
    assert not found.problems
    assert find_pseudo_labelled(None, None) is None
    with pytest.raises(InputError, match="has no target_dir, its scans; give both, or neither"):
        find_pseudo_labelled(None, tmp_path)
    with pytest.raises(InputError, match=r"is not a folder; make it with configs/refine.yaml"):
        find_pseudo_labelled(target, tmp_path / "nowhere")


def given(tiny_phantom, count=2):
    labels = sorted((tiny_phantom / "training_source").glob("*_Label.nii.gz"))[:count]
    return [{"image": str(path).replace("_Label", "_ceT1"), "label": str(path)} for path in labels]


def test_cases_from_folders_have_names_and_those_of_a_client_have_none(tiny_phantom):
    assert not are_given(training_cases(scan("a", "b"), scan("t")))
    assert are_given(given(tiny_phantom))
    assert are_given([*scan("a").cases, *given(tiny_phantom)])
    assert are_given([])


def test_cases_of_a_client_are_named_by_their_images_and_those_from_folders_stay_unread(tiny_phantom):
    assert named_cases(scan("a").cases) == scan("a").cases  # no such files
    pairs = given(tiny_phantom)
    names = [Path(pair["label"]).name.removesuffix("_Label.nii.gz") for pair in pairs]
    assert named_cases(pairs) == [{**p, "case": n, "patient": n} for p, n in zip(pairs, names, strict=True)]


def test_all_that_is_wrong_with_the_cases_of_a_client_is_told_at_once(tiny_phantom):
    one, other = given(tiny_phantom)
    wrong = [{**one, "label": one["image"]}, {**other, "image": "nowhere.nii.gz"}]
    with pytest.raises(InputErrors) as error:
        named_cases(wrong)
    assert len(str(error.value).splitlines()) == 2
    assert "nowhere.nii.gz: does not exist" in str(error.value)


def test_a_fine_tuning_has_a_folder_of_its_own_for_its_scans_labels_and_first_weights(tmp_path):
    files = {name: tmp_path / name for name in ("image", "label", "model.pt")}
    for path in files.values():
        path.write_bytes(b"1")
    case = {"image": str(files["image"]), "label": str(files["label"])}
    folders = [fine_tuning_dir("runs", [case], tmp_path)]
    assert fine_tuning_dir("runs", [case], tmp_path) == folders[0]
    for path in files.values():
        path.write_bytes(b"12")
        folders.append(fine_tuning_dir("runs", [case], tmp_path))
    assert len(set(folders)) == 4
    assert all(Path(folder).parent == Path("runs") for folder in folders)


@pytest.mark.parametrize("given", ["x", 5, [1], [{"image": "a_hrT2.nii.gz"}], [{"image": "a_hrT2.nii.gz", "label": 1}]])
def test_what_is_given_in_place_of_cases_has_images_and_labels(given):
    with pytest.raises(InputError, match="train#dataset#data: is no list of"):
        are_given(given)
