"""Five folds in 2D and 3D through the bundle: validation, selection, ensemble, and nnU-Net's own folder both ways."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import BUNDLES, workflow
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.segmentation.inference.ensemble import read_ensemble
from tanq_monai.segmentation.training.import_nnunet import import_nnunet

# nnU-Net's find_best_configuration leaves the file of its instructions open.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*inference_instructions.txt")
PATCHES = {"2d": [88, 88], "3d_fullres": [20, 88, 88]}  # a window or two a scan: validation takes longer than training
FOLDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    """A run of two configurations x five folds, one step each, on five labelled patients; its data folder."""
    data, run = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("run")
    for path in (tiny_phantom / "training_source").glob("*.nii.gz"):
        shutil.copy(path, data)
    scan = sorted((tiny_phantom / "training_target").glob("*.nii.gz"))[0]
    shutil.copy(scan, data)
    label = scan.name.replace("_hrT2", "_Label")
    shutil.copy(tiny_phantom / "withheld_labels" / "training_target" / label, data)
    for configuration, patch in PATCHES.items():
        for fold in FOLDS:
            flow = workflow(
                "vs_cochlea_seg",
                "train",
                dataset_dir=str(data),
                output_dir=str(run),
                configuration=configuration,
                fold=fold,
                max_epochs=1,
                iterations_per_epoch=1,
                batch_size=2,
                num_processes=0,
                plans_override={"patch_size": patch, "features_per_stage": [4, 8, 8]},
                device="cpu",
            )
            flow.run()
    return run, data


@pytest.fixture(scope="module")
def selected(trained):
    """The content of ``ensemble.json`` after find_best.yaml."""
    run, _ = trained
    workflow("vs_cochlea_seg", "find_best", run_dir=str(run), num_processes=0).run()
    return json.loads((run / "models" / "ensemble.json").read_text())


def results(run, configuration):
    return next((run / "nnUNet_results").rglob(f"nnUNetTrainer__nnUNetPlans__{configuration}"))


def test_every_patient_is_validated_once_with_labels_and_probabilities(trained):
    run, data = trained
    cases = sorted(path.name.removesuffix(".nii.gz") for path in data.glob("*[12].nii.gz"))
    for configuration in PATCHES:
        validated = list(results(run, configuration).glob("fold_*/validation/*.nii.gz"))
        assert sorted(path.name.removesuffix(".nii.gz") for path in validated) == cases
        assert all(path.with_name(path.name.replace(".nii.gz", ".npz")).exists() for path in validated)


def test_the_best_by_validation_is_chosen_as_nnunet_reports_it(trained, selected):
    run, _ = trained
    found = json.loads(next(run.rglob("inference_information.json")).read_text())
    chosen = [model["configuration"] for model in found["best_model_or_ensemble"]["selected_model_or_models"]]
    assert selected["groups"] == [[f"{name}_fold_{fold}" for fold in FOLDS] for name in chosen]
    assert selected["dice"] == found["all_results"]
    assert max(selected["dice"].values()) == found["best_model_or_ensemble"]["result_on_crossval_pre_pp"]


def test_the_chosen_ensemble_segments(trained, selected, tiny_phantom, tmp_path):
    run, _ = trained
    images = tiny_phantom / "validation"
    flow = workflow(
        "vs_cochlea_seg",
        "ensemble",
        dataset_dir=str(images),
        ensemble_dir=str(run / "models"),
        output_dir=str(tmp_path),
        uncertainty=True,
        device="cpu",
    )
    flow.run()
    for scan in images.glob("*_hrT2.nii.gz"):
        label = nib.load(tmp_path / scan.name.replace("_hrT2", "_Label"))
        assert label.shape == nib.load(scan).shape
        agreement = np.asarray(nib.load(tmp_path / scan.name.replace("_hrT2", "_Agreement")).dataobj)
        votes = agreement * sum(map(len, selected["groups"]))
        np.testing.assert_allclose(votes, np.rint(votes), atol=0.05)  # shares of whole models


@pytest.mark.parametrize("missing", ["models/3d_fullres_fold_3/model.pt", "fold_2/validation/summary.json"])
def test_a_missing_fold_is_told_and_nothing_overwritten(missing, trained, selected, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    path = next(path for path in run.rglob(missing.rpartition("/")[2]) if str(path).endswith(missing))
    path.unlink()
    before = (run / "models" / "ensemble.json").read_bytes()
    with pytest.raises(RuntimeError) as error:
        workflow("vs_cochlea_seg", "find_best", run_dir=str(run), num_processes=0).run()
    assert str(mistake_behind(error.value)).startswith(f"{path}: is missing")
    assert (run / "models" / "ensemble.json").read_bytes() == before


@pytest.mark.parametrize("configuration", list(PATCHES))
def test_checkpoints_hold_data_alone_and_open_in_nnunets_predictor(configuration, trained):
    run, _ = trained
    for fold in FOLDS:
        torch.load(results(run, configuration) / f"fold_{fold}" / "checkpoint_final.pth", weights_only=True)
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    predictor.initialize_from_trained_model_folder(str(results(run, configuration)), FOLDS)
    for fold, weights in zip(FOLDS, predictor.list_of_parameters, strict=True):
        ours = torch.load(run / "models" / f"{configuration}_fold_{fold}" / "model.pt", weights_only=True)
        assert all(torch.equal(ours[key], weights[key]) for key in weights)


def test_a_results_folder_becomes_a_bundle_with_the_same_weights(trained, tmp_path):
    run, _ = trained
    bundle = tmp_path / "bundle"
    taken = import_nnunet(results(run, "2d"), bundle)
    assert {name: path.name for name, path in taken.items()} == {f"2d_fold_{n}": "checkpoint_final.pth" for n in FOLDS}
    template = {path.name for path in (BUNDLES / "vs_cochlea_seg" / "configs").iterdir()}
    assert {path.name for path in (bundle / "configs").iterdir()} == template
    members = read_ensemble(bundle / "models").members
    assert [member.name for member in members] == [f"2d_fold_{fold}" for fold in FOLDS]
    for member in members:
        ours, theirs = (torch.load(f / "model.pt", weights_only=True) for f in (member, run / "models" / member.name))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    with pytest.raises(InputError, match="is there already; give a new folder"):
        import_nnunet(results(run, "2d"), bundle)


def _other_labels(folder):
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(content | {"labels": {"background": 0, "prostate": 1}}))


def _two_channels(folder):
    content = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(content | {"channel_names": {"0": "T2", "1": "ADC"}}))


def _older_plans(folder):
    plans = json.loads((folder / "plans.json").read_text())
    del plans["configurations"]["2d"]["architecture"]
    (folder / "plans.json").write_text(json.dumps(plans))


def _unfinished(folder):
    (folder / "fold_2" / "checkpoint_final.pth").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_other_labels, "dataset.json: is of another task: its labels are {'prostate': 1}"),
        (_two_channels, "dataset.json: is of another task: 2 channels, not one"),
        (_older_plans, "plans.json: is a plan of an older nnU-Net: it has no architecture"),
        (_unfinished, "fold_2: holds no checkpoint_final.pth or checkpoint_best.pth; finish its training"),
    ],
)
def test_a_folder_that_cannot_be_imported_is_told_and_leaves_nothing(damage, words, trained, tmp_path):
    folder = tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
    shutil.copytree(results(trained[0], "2d"), folder)
    damage(folder)
    with pytest.raises(InputError) as error:
        import_nnunet(folder, tmp_path / "bundle")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]


def test_a_prolonged_training_is_validated_anew(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    summary = results(run, "2d") / "fold_0" / "validation" / "summary.json"
    before, weights = summary.stat().st_mtime_ns, (run / "models" / "2d_fold_0" / "model.pt").read_bytes()
    flow = workflow(
        "vs_cochlea_seg",
        "train",
        dataset_dir=str(trained[1]),
        output_dir=str(run),
        configuration="2d",
        fold=0,
        max_epochs=2,
        iterations_per_epoch=1,
        batch_size=2,
        num_processes=0,
        plans_override={"patch_size": PATCHES["2d"], "features_per_stage": [4, 8, 8]},
        device="cpu",
    )
    flow.run()
    assert (flow.trainer.state.epoch, flow.trainer.state.iteration) == (2, 2)
    assert summary.stat().st_mtime_ns > before
    assert (run / "models" / "2d_fold_0" / "model.pt").read_bytes() != weights
