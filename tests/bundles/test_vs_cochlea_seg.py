"""The segmentation bundle, through MONAI's own workflows, on the tiny phantom."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import BUNDLES, workflow
from made_up_models import MODELS
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from tanq_monai.errors import mistake_behind
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.segmentation.training.levels import RandomLevels

MODEL = "models/2d_fold_all"
BUNDLE = BUNDLES / "vs_cochlea_seg"
CONFIGS = BUNDLE / "configs"
SETTINGS = {
    "configuration": "2d",
    "max_epochs": 2,
    "iterations_per_epoch": 2,
    "num_processes": 0,
    "batch_size": 2,
    "plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
    "device": "cpu",
}


def train(images, labels, run, **override):
    folders = {"dataset_dir": str(images), "label_dir": str(labels), "output_dir": str(run)}
    flow = workflow("vs_cochlea_seg", "train", **(SETTINGS | folders | override))
    flow.run()
    return flow


def infer(images, models, output, **override):
    folders = {"dataset_dir": str(images), "model_dir": str(models), "output_dir": str(output)}
    flow = workflow("vs_cochlea_seg", "inference", **({"device": "cpu", "ears_first": False} | folders | override))
    flow.run()
    return flow


def mistake_of(function, *args, **kwargs):
    with pytest.raises(Exception) as error:
        function(*args, **kwargs)
    mistake = mistake_behind(error.value)
    assert mistake is not None, error.value
    return str(mistake)


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    """A run of two epochs on the labelled ceT1 scans, and its workflow."""
    run = tmp_path_factory.mktemp("run")
    source = tiny_phantom / "training_source"
    return run, train(source, source, run)


def test_the_training_has_all_properties_of_monai(trained):
    assert trained[1].check_properties() == []


def test_model_folder_and_nnunet_checkpoint_hold_the_same_weights(trained):
    run, flow = trained
    weights = torch.load(run / MODEL / "model.pt", weights_only=True)
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    predictor.initialize_from_trained_model_folder(flow.trainer.nnunet.output_folder_base, ("all",))
    expected = predictor.network.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[key], expected[key]) for key in weights)
    network_from_plans(run / MODEL / "plans.json", run / MODEL / "dataset.json").load_state_dict(weights)


def test_nothing_half_written_and_no_paths_are_left(trained):
    run, _ = trained
    assert not list(run.rglob("*.writing*"))
    assert not list(run.rglob("checkpoint_latest.pth"))
    for file in (run / MODEL).glob("*.json"):
        assert str(run) not in file.read_text()
        assert "training_source" not in file.read_text()


def test_the_schedule_is_nnunets_poly_decay(trained):
    _, flow = trained
    assert flow.trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * (1 - 1 / 2) ** 0.9)


def test_a_finished_run_is_not_trained_again(trained, tiny_phantom):
    run, _ = trained
    before = (run / MODEL / "model.pt").read_bytes()
    again = train(tiny_phantom / "training_source", tiny_phantom / "training_source", run)
    assert again.trainer.state.iteration == 0
    assert (run / MODEL / "model.pt").read_bytes() == before


def interrupted(trained, folder):
    """A copy of the run as it was after its second epoch."""
    run = folder / "run"
    shutil.copytree(trained[0], run)
    final = next(run.rglob("checkpoint_final.pth"))
    final.rename(final.with_name("checkpoint_latest.pth"))
    (run / MODEL / "model.pt").unlink()
    return run


def test_an_interrupted_run_continues_after_its_latest_epoch(trained, tiny_phantom, tmp_path):
    run, source = interrupted(trained, tmp_path), tiny_phantom / "training_source"
    flow = train(source, source, run, max_epochs=3)
    assert flow.trainer.state.epoch == 3
    assert flow.trainer.state.iteration == 6
    assert flow.trainer.nnunet.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * (1 / 3) ** 0.9)


def test_a_run_that_was_killed_when_its_last_epoch_was_done_leaves_all_that_it_would_have_left(
    trained, tiny_phantom, tmp_path
):
    run, source = interrupted(trained, tmp_path), tiny_phantom / "training_source"
    again = train(source, source, run)
    assert again.trainer.state.iteration == 0
    left = [sorted(path.name for path in folder.rglob("*.p*t*")) for folder in (trained[0], run)]
    assert left[0] == left[1]
    assert {"checkpoint_final.pth", "model.pt"} <= set(left[0])
    before, after = (torch.load(folder / MODEL / "model.pt") for folder in (trained[0], run))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_an_interrupted_run_continues_from_its_weights(trained, tiny_phantom, tmp_path):
    run, source = interrupted(trained, tmp_path), tiny_phantom / "training_source"
    train(source, source, run, max_epochs=3, learning_rate=0.0)  # the third epoch then changes nothing
    before, after = (torch.load(folder / MODEL / "model.pt") for folder in (trained[0], run))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_training_can_begin_with_the_weights_and_the_plan_of_a_model(trained, tiny_phantom, tmp_path):
    run, source = trained[0], tiny_phantom / "training_source"
    choices = {"plans_override": None, "learning_rate": 0.0}  # nothing is learnt, and no patch size is given
    train(source, source, tmp_path / "run", initial_model=str(run / MODEL), **choices)
    before, after = (torch.load(folder / MODEL / "model.pt") for folder in (run, tmp_path / "run"))
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert plan_of(tmp_path / "run") == plan_of(run)


def plan_of(run):
    return json.loads((run / MODEL / "plans.json").read_text())["configurations"]["2d"]


def test_an_adversary_and_drawn_statistics_leave_a_model_of_the_same_names_from_real_scans_without_labels(
    trained, tiny_phantom, tmp_path
):
    source, real = tiny_phantom / "training_source", tiny_phantom / "training_target"
    choices = {"target_dir": str(real), "adversary": 0.1, "feature_statistics": 0.5, "max_epochs": 1}
    flow = train(source, source, tmp_path / "run", **choices, level_ranges=[{"VS": [0.26, 0.59]}])
    names = {path.name.removesuffix(".nii.gz") for path in real.glob("*_hrT2.nii.gz")}
    loader = flow.trainer.nnunet.dataloader_train.data_loader
    (levels,) = (step for step in loader.transforms.transforms if isinstance(step, RandomLevels))
    assert levels.patches is loader
    assert flow.trainer.adversary.real == levels.real == names
    names = [list(torch.load(run / MODEL / "model.pt")) for run in (trained[0], tmp_path / "run")]
    assert names[0] == names[1]
    labels = [
        json.loads((run / MODEL / "dataset.json").read_text())["labels"] for run in (trained[0], tmp_path / "run")
    ]
    assert labels[1] == {**labels[0], "ignore": 3}
    infer(real, tmp_path / "run" / MODEL, tmp_path / "labels")
    assert len(list((tmp_path / "labels").glob("*_Label.nii.gz"))) == 4


@pytest.fixture(scope="module")
def segmented(trained, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("labels")
    return output, infer(tiny_phantom / "validation", trained[0] / MODEL, output)


def test_the_inference_has_all_properties_of_monai(segmented):
    assert segmented[1].check_properties() == []


def test_labels_lie_on_the_grid_of_their_scans(segmented, tiny_phantom):
    images = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    names = [image.name.replace("_hrT2", "_Label") for image in images]
    assert sorted(p.name for p in segmented[0].glob("[!.]*.nii.gz")) == names
    for image, name in zip(images, names, strict=True):
        scan, label = nib.load(image), nib.load(segmented[0] / name)
        assert label.shape == scan.shape
        assert label.get_data_dtype() == np.uint8
        assert set(np.unique(label.dataobj)) <= {0, 1, 2}
        np.testing.assert_allclose(label.affine, scan.affine, atol=1e-5)


def test_a_bad_scan_is_named_and_the_others_are_done(trained, tiny_phantom, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(tiny_phantom / "validation", images)
    (images / "crossmoda2021_ldn_999_hrT2.nii.gz").write_bytes(b"")
    message = mistake_of(infer, images, trained[0] / MODEL, tmp_path / "out")
    assert "crossmoda2021_ldn_999_hrT2.nii.gz: is empty" in message
    assert len(list((tmp_path / "out").glob("[!.]*.nii.gz"))) == len(list(images.glob("*.gz"))) - 1


def test_inference_without_weights_says_so(tiny_phantom, tmp_path):
    assert "model.pt: is missing; train first" in mistake_of(infer, tiny_phantom / "validation", MODELS, tmp_path)


def test_inference_with_the_weights_of_another_network_says_so(trained, tiny_phantom, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    shutil.copyfile(trained[0] / MODEL / "model.pt", models / "model.pt")
    message = mistake_of(infer, tiny_phantom / "validation", models, tmp_path / "labels")
    assert "model.pt: does not fit the network" in message
    assert not (tmp_path / "labels").exists()


def _missing(image, label):
    label.unlink()


def _other_grid(image, label):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4)), nib.load(image).affine), label)


def _unknown_value(image, label):
    data = nib.load(label)
    values = data.get_fdata()
    values[0, 0, 0] = 7
    nib.save(nib.Nifti1Image(values, data.affine), label)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_missing, "is missing"),
        (_other_grid, "resample it to the grid of its image"),
        (_unknown_value, "holds unknown label 7"),
    ],
)
def test_a_bad_label_stops_the_training_before_it_starts(damage, words, tiny_phantom, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tiny_phantom / "training_source", data)
    label = sorted(data.glob("*_Label.nii.gz"))[0]
    damage(data / label.name.replace("_Label", "_ceT1"), label)
    message = mistake_of(train, data, data, tmp_path / "run")
    assert label.name in message
    assert words in message
    assert not list((tmp_path / "run").rglob("*"))


@pytest.mark.parametrize("place", ["scans", "labels"])
def test_labels_of_ones_own_stay_in_the_folder_of_the_scans_and_in_any_other(trained, tiny_phantom, tmp_path, place):
    scans, output = tmp_path / "scans", tmp_path / place
    shutil.copytree(tiny_phantom / "validation", scans)
    first, *others = sorted(path.name.replace("_hrT2", "_Label") for path in scans.glob("*_hrT2.nii.gz"))
    output.mkdir(exist_ok=True)
    (output / first).write_bytes(b"mine")
    message = mistake_of(infer, scans, trained[0] / MODEL, output)
    assert message.startswith(f"{output / first}: is there already, and not as an earlier run wrote it; take it away")
    assert (output / first).read_bytes() == b"mine"
    assert not any((output / name).exists() for name in others)
    (output / first).unlink()
    for _ in range(2):  # the second one replaces the labels of the first
        infer(scans, trained[0] / MODEL, output)
    assert nib.load(output / first).shape == nib.load(next(scans.glob("*_hrT2.nii.gz"))).shape


def test_an_empty_folder_says_what_to_give(tmp_path):
    (tmp_path / "data").mkdir()
    assert "holds no image; give a folder with" in mistake_of(
        train, tmp_path / "data", tmp_path / "data", tmp_path / "run"
    )


def test_the_shipped_network_keeps_spatial_sizes():
    network = network_from_plans(BUNDLE / "models" / "plans.json", BUNDLE / "models" / "dataset.json").eval()
    with torch.no_grad():
        assert network(torch.rand(2, 1, 96, 64)).shape == (2, 3, 96, 64)
