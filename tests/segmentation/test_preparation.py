"""The raw data set and changed plans."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset
from nnunetv2.utilities.crossval_split import generate_crossval_split

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.segmentation.plan.overrides import override_plan
from tanq_monai.segmentation.training.folders import RunFolders
from tanq_monai.segmentation.training.preparation import (
    Fingerprint,
    PlanWish,
    prepare,
    processes_or_threads,
    splits_by_patient,
    write_raw_dataset,
)
from tanq_monai.structures import Structures

PLANS = Path(__file__).parents[1] / "small_model" / "plans.json"
VOLUME = "3d_fullres"


@pytest.fixture
def plan():
    return json.loads(PLANS.read_text())


@pytest.fixture
def cases(tmp_path):
    """One case whose float64 label is rounded down a hair, as rescaled headers make them."""
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    label = np.zeros((4, 4, 3))
    label[1, 2, 1], label[2, 2, 1] = 1 - 1e-9, 2 - 1e-9
    image, label_path = (
        tmp_path / "crossmoda2021_ldn_1_hrT2.nii.gz",
        tmp_path / "crossmoda2021_ldn_1_Label.nii.gz",
    )
    nib.save(nib.Nifti1Image(np.arange(48, dtype=np.float32).reshape(4, 4, 3), affine), image)
    nib.save(nib.Nifti1Image(label, affine), label_path)
    return [{"case": "crossmoda2021_ldn_1", "image": str(image), "label": str(label_path)}]


def test_labels_become_integers_and_images_stay_where_they_are(cases, tmp_path):
    folder = tmp_path / "raw"
    write_raw_dataset(cases, folder)
    content = json.loads((folder / "dataset.json").read_text())
    entry = content["dataset"]["crossmoda2021_ldn_1_hrT2"]
    label = nib.load(folder / entry["label"])
    assert label.get_data_dtype() == np.uint8
    assert (label.dataobj[1, 2, 1], label.dataobj[2, 2, 1], np.asarray(label.dataobj).sum()) == (1, 2, 3)
    assert entry["images"] == [cases[0]["image"]]
    assert content["labels"] == {"background": 0, "VS": 1, "cochlea": 2}


def test_values_go_where_nnunet_looks_for_them(plan):
    config = override_plan(plan, VOLUME, {"batch_size": 5, "n_conv_per_stage": [1]})["configurations"][VOLUME]
    network = config["architecture"]["arch_kwargs"]
    assert config["batch_size"] == 5
    assert network["n_conv_per_stage"] == [1] * network["n_stages"]


def test_a_new_patch_gets_strides_that_fit_it(plan):
    config = override_plan(plan, VOLUME, {"patch_size": [20, 90, 90]})["configurations"][VOLUME]
    network = config["architecture"]["arch_kwargs"]
    shrunk = np.prod(network["strides"], axis=0)
    assert (np.array(config["patch_size"]) % shrunk == 0).all()
    assert (np.array(config["patch_size"]) >= [20, 90, 90]).all()
    assert len(network["strides"]) == len(network["kernel_sizes"]) == network["n_stages"]
    assert len(network["features_per_stage"]) == network["n_stages"]


def test_fewer_widths_drop_the_deepest_stages(plan):
    network = override_plan(plan, VOLUME, {"features_per_stage": [4, 8, 16]})["configurations"][VOLUME]["architecture"][
        "arch_kwargs"
    ]
    assert network["n_stages"] == 3
    lengths = {k: len(network[k]) for k in ("features_per_stage", "strides", "kernel_sizes", "n_conv_per_stage")}
    assert set(lengths.values()) == {3}
    assert len(network["n_conv_per_stage_decoder"]) == 2


def test_nothing_overridden_changes_nothing(plan):
    assert override_plan(plan, VOLUME, {}) == json.loads(PLANS.read_text())


def test_two_stages_are_too_few_for_deep_supervision(plan):
    with pytest.raises(InputError, match="plans_override: leaves 2 stages; give three features_per_stage or more"):
        override_plan(plan, VOLUME, {"features_per_stage": [4, 8]})


def test_a_misspelt_key_is_a_mistake(plan):
    with pytest.raises(InputError, match=r"unknown keys \['batchsize'\]"):
        override_plan(plan, VOLUME, {"batchsize": 5})


def test_an_unplanned_configuration_is_a_mistake(plan):
    with pytest.raises(InputError, match="'3d_lowres' is not in nnU-Net's plan"):
        override_plan(plan, "3d_lowres", {})


def test_a_run_begun_with_other_settings_is_not_continued(cases, tmp_path):
    folders = RunFolders(tmp_path / "run")
    folders.root.mkdir()
    (folders.root / "prepared.json").write_text('{"files": []}')
    with pytest.raises(InputError, match="was begun with other cases, structures or initial model"):
        prepare(cases, folders, PlanWish(VOLUME))


def test_a_configuration_prepared_with_other_settings_is_not_continued(cases, tmp_path):
    folders = RunFolders(tmp_path / "run")
    folders.root.mkdir()
    files = sorted([cases[0]["image"], cases[0]["label"]])
    stamps = [[file, Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in files]
    begun = {
        "files": stamps,
        "structures": {"VS": 1, "cochlea": 2},
        "initial_plan": None,
        "configurations": {VOLUME: {"batch_size": 2}},
    }
    (folders.root / "prepared.json").write_text(json.dumps(begun))
    prepare(cases, folders, PlanWish(VOLUME, batch_size=2))  # the same: nothing is done
    with pytest.raises(InputError, match="was begun with other plan settings of 3d_fullres"):
        prepare(cases, folders, PlanWish(VOLUME, batch_size=3))
    left = {path.name for path in folders.root.rglob("*") if path.is_file()}
    assert left == {"prepared.json", "nnunet.log"}


def test_the_fingerprint_is_of_all_scans_and_of_few_voxels(cases, tmp_path):
    folders = RunFolders(tmp_path / "run")
    write_raw_dataset(cases, folders.raw)
    with folders.active(), processes_or_threads(0):
        found = extract_fingerprint_dataset(1, Fingerprint, 1, verbose=False)
        assert Fingerprint(1).num_foreground_voxels_for_intensitystats == 1e6
    (statistics,) = found["foreground_intensity_properties_per_channel"].values()
    inside = np.arange(48.0).reshape(4, 4, 3)[[1, 2], [2, 2], [1, 1]]
    assert (statistics["min"], statistics["max"]) == (inside.min(), inside.max())
    assert statistics["mean"] == pytest.approx(inside.mean(), rel=1e-3)


def test_a_structure_that_no_case_has_is_told_before_anything_is_planned(cases, tmp_path):
    folders, three = RunFolders(tmp_path / "run"), Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    with pytest.raises(InputError, match="structures: no label of any case holds cochlea; add cases that have it"):
        prepare(cases, folders, PlanWish(VOLUME, structures=three))
    assert not folders.preprocessed.exists()
    assert not (folders.root / "prepared.json").exists()


def test_structures_that_are_not_numbered_as_nnunet_wants_it_leave_nothing_behind(cases, tmp_path):
    folders = RunFolders(tmp_path / "run")
    with pytest.raises(InputError, match=r"^structures: \{.*\} are not numbered 1, 2, 3, \.\.\.; leave no number out$"):
        prepare(cases, folders, PlanWish(VOLUME, structures=Structures({"VS": 1, "cochlea": 3})))
    assert list(folders.root.iterdir()) == []


@pytest.mark.parametrize("part", ["raw", "preprocessed"])
def test_a_data_set_that_no_training_made_is_not_taken_away_also_where_it_holds_the_cases(cases, tmp_path, part):
    folders = RunFolders(tmp_path / "runs")  # where multi_view.yaml writes beside it, by default
    own = getattr(folders, part)
    write_raw_dataset(cases, own)
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"{own}: is there already, and no training made it; choose another"):
        prepare(cases, folders, PlanWish(VOLUME))
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before


def test_the_ignore_label_is_declared_where_a_case_has_it(cases, tmp_path):
    write_raw_dataset([cases[0] | {"ignore": True}], tmp_path / "raw")
    labels = json.loads((tmp_path / "raw" / "dataset.json").read_text())["labels"]
    assert labels == {"background": 0, "VS": 1, "cochlea": 2, "ignore": 3}


def test_the_value_above_the_structures_is_taken_where_voxels_may_be_ignored(cases, tmp_path):
    image, folder = nib.load(cases[0]["label"]), tmp_path / "raw"
    label = np.asarray(image.dataobj).copy()
    label[0] = 3
    nib.save(nib.Nifti1Image(label, image.affine), cases[0]["label"])
    with pytest.raises(InputErrors, match=r"holds unknown label 3; use only \[0, 1, 2\]"):
        write_raw_dataset([cases[0], cases[0] | {"ignore": True}], folder)  # true labels ignore nothing
    write_raw_dataset([cases[0] | {"ignore": True}], folder)
    (written,) = (folder / "labelsTr").glob("*.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(written).dataobj), np.rint(label))
    label[0] = 4
    nib.save(nib.Nifti1Image(label, image.affine), cases[0]["label"])
    with pytest.raises(InputErrors, match=r"holds unknown label 4; use only \[0, 1, 2, 3\]"):
        write_raw_dataset([cases[0] | {"ignore": True}], folder)


def named(patients, views=("",)):
    return [{"image": f"/scans/{patient}{view}.nii.gz", "patient": patient} for patient in patients for view in views]


def test_with_one_scan_per_patient_the_folds_are_nnunets_own():
    patients = [f"crossmoda_{number}" for number in range(13)]
    assert splits_by_patient(named(patients)) == generate_crossval_split(sorted(patients), n_splits=5)


def test_views_of_a_patient_lie_in_one_fold_and_every_one_is_validated_once():
    patients = [f"p{number}" for number in range(7)]
    splits = splits_by_patient(named(patients, ("_tanq", "_cyclegan")))
    for split in splits:
        sides = [{name.split("_")[0] for name in split[part]} for part in ("train", "val")]
        assert not sides[0] & sides[1]
        assert len(split["train"]) + len(split["val"]) == 14
    validated = sorted(name for split in splits for name in split["val"])
    assert validated == sorted(f"{p}_{view}" for p in patients for view in ("tanq", "cyclegan"))


def test_scans_without_labels_are_trained_on_in_every_fold_and_validated_in_none():
    patients, unlabelled = [f"p{number}" for number in range(6)], ["t0", "t1"]
    cases = named(patients) + [{**case, "ignore": True} for case in named(unlabelled)]
    expected = splits_by_patient(named(patients))
    for split, of_labelled in zip(splits_by_patient(cases), expected, strict=True):
        assert split["train"] == sorted([*of_labelled["train"], *unlabelled])
        assert split["val"] == of_labelled["val"]


def test_all_of_a_scan_without_labels_is_ignored(cases, tmp_path):
    image = tmp_path / "real_hrT2.nii.gz"
    image.write_bytes(Path(cases[0]["image"]).read_bytes())
    write_raw_dataset([*cases, {"image": str(image), "ignore": True}], tmp_path / "raw")
    content = json.loads((tmp_path / "raw" / "dataset.json").read_text())
    assert content["labels"]["ignore"] == 3
    labels = nib.load(tmp_path / "raw" / content["dataset"]["real_hrT2"]["label"])
    np.testing.assert_array_equal(np.asarray(labels.dataobj), np.full((4, 4, 3), 3))


def test_the_environment_is_restored(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "before")
    monkeypatch.delenv("nnUNet_results", raising=False)
    with RunFolders(tmp_path).active(nnUNet_compile="f"):
        inside = dict(os.environ)
    assert inside["nnUNet_raw"] == str(tmp_path / "nnUNet_raw")
    assert inside["nnUNet_compile"] == "f"
    assert dict(os.environ)["nnUNet_raw"] == "before"
    assert "nnUNet_results" not in os.environ


@pytest.mark.parametrize("override", [{"nonlin": "os.system"}, {"architecture": {}}])
def test_a_plan_is_not_told_what_code_its_network_is_made_of(plan, override):
    with pytest.raises(InputError, match=f"plans_override: names code: {min(override)}; give a trainer"):
        override_plan(plan, VOLUME, override)


def test_an_override_names_no_folder_that_nnunet_would_delete(plan):
    with pytest.raises(InputError, match="plans_override: names a folder: data_identifier; leave it out"):
        override_plan(plan, VOLUME, {"data_identifier": "elsewhere"})


@pytest.mark.parametrize("place", ["data_identifier", "configuration"])
def test_a_plan_whose_names_lead_elsewhere_deletes_nothing_there(plan, place, cases, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    configurations = plan["configurations"]
    if place == "data_identifier":
        configurations[VOLUME]["data_identifier"] = str(tmp_path)
    else:
        configurations[str(tmp_path)] = configurations[VOLUME]
    file = tmp_path / "plans.json"
    file.write_text(json.dumps(plan))
    wish = PlanWish(VOLUME if place == "data_identifier" else str(tmp_path), plans_file=file)
    with pytest.raises(InputError, match=r"plans\.json: names the folder '/.*'; give it a plain name"):
        prepare(cases, RunFolders(tmp_path / "run"), wish)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_plan_of_a_users_own_planner_may_have_dots_and_hyphens_in_its_names(plan, tmp_path):
    plan["configurations"][VOLUME]["data_identifier"] = "myPlans-v1.2_3d_fullres"
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    found = PlanWish(VOLUME, plans_file=tmp_path / "plans.json").plan["configurations"][VOLUME]
    assert found["data_identifier"] == "myPlans-v1.2_3d_fullres"
