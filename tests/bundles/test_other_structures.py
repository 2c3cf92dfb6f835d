"""Another organ by the configs alone: an invented chest, its left atrium and the muscle round it, in two contrasts."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from bundle_workflow import workflow
from typed import mistakes, run_bundle, run_command

ATRIUM, MUSCLE = 1, 2
STRUCTURES = {"left atrium": {"value": ATRIUM, "norm": "own"}, "myocardium": {"value": MUSCLE, "norm": "surroundings"}}
LEVELS = {"ceT1": {"body": 300, ATRIUM: 700, MUSCLE: 400}, "hrT2": {"body": 200, ATRIUM: 80, MUSCLE: 500}}
TRANSLATOR = {"pixels": 48, "pixel_mm": 4.0, "slab_mm": None, "width": 4, "blocks": 2}
TRAINING = {"start_from": None, "crop": 32, "max_epochs": 1, "batch_size": 2, "validate_every": 1}
SEGMENTER = {
    "configuration": "2d",
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "num_processes": 0,
    "batch_size": 2,
    "plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
}
CPU = {"device": "$torch.device('cpu')"}


def chest(seed):
    """Labels (i, j, k) of 48 x 40 x 6 voxels, and where the body is."""
    rng = np.random.default_rng(seed)
    i, j, k = np.ogrid[:48, :40, :6]
    body = ((i - 23.5) / 21) ** 2 + ((j - 19.5) / 17) ** 2 < 1
    x, y = rng.integers(18, 30), rng.integers(16, 24)
    distance = np.sqrt((i - x) ** 2 + (j - y) ** 2 + (2 * (k - 2.5)) ** 2)
    labels = np.where(distance < 9, MUSCLE, 0) * np.ones((48, 40, 6), int)
    labels[distance < 5.5] = ATRIUM
    return labels.astype(np.uint8), body & (k >= 0)


def write(folder, case, contrast, seed, with_label):
    labels, body = chest(seed)
    values = np.where(body, LEVELS[contrast]["body"], 0)
    for value in (ATRIUM, MUSCLE):
        values = np.where(labels == value, LEVELS[contrast][value], values)
    values = values + np.abs(np.random.default_rng([seed, 1]).normal(0, 20, values.shape)) * body
    affine = np.diag([-4.0, -4.0, 8.0, 1.0])
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.int16), affine), folder / f"{case}_{contrast}.nii.gz")
    if with_label:
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{case}_Label.nii.gz")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chests")
    for number in range(2):
        write(folder / "training_source", f"chest_{number}", "ceT1", number, with_label=True)
        write(folder / "training_target", f"chest_{number + 10}", "hrT2", number + 10, with_label=False)
        write(folder / "test", f"chest_{number + 20}", "hrT2", number + 20, with_label=True)
    return folder


@pytest.fixture(scope="module")
def translator(slow, data, tmp_path_factory):
    run = tmp_path_factory.mktemp("translator")
    folders = {"dataset_dir": str(data), "output_dir": str(run)}
    workflow("tanq_translation", "train", structures=STRUCTURES, **(TRANSLATOR | TRAINING | CPU | folders)).run()
    return run


@pytest.fixture(scope="module")
def translated(translator, data, tmp_path_factory):
    """Without a word about the structures: the model's file says them."""
    raw = tmp_path_factory.mktemp("raw") / "Dataset001_Chest"
    folders = {"dataset_dir": str(data / "training_source"), "output_dir": str(raw)}
    model = {"tanq_model_file": str(translator / "models" / "model.pt"), "used_views": ["tanq"]}
    workflow("tanq_translation", "multi_view", **(CPU | folders | model)).run()
    return raw


@pytest.fixture(scope="module")
def segmenter(translated, tmp_path_factory):
    run = tmp_path_factory.mktemp("segmenter")
    folders = {"dataset_dir": str(translated), "output_dir": str(run)}
    workflow("vs_cochlea_seg", "train", structures=STRUCTURES, device="cpu", **(SEGMENTER | folders)).run()
    return run / "models" / "2d_fold_all"


@pytest.fixture(scope="module")
def labelled(segmenter, data, tmp_path_factory):
    output = tmp_path_factory.mktemp("labels")
    folders = {"dataset_dir": str(data / "test"), "output_dir": str(output), "ensemble_dir": str(segmenter)}
    workflow("vs_cochlea_seg", "ensemble", device="cpu", uncertainty=True, **folders).run()
    return output


def test_a_translator_learns_regions_that_a_config_names_and_tells_of_them_by_their_names(translator):
    weights = torch.load(translator / "models" / "model.pt", weights_only=True)
    assert weights["stem_norm.weight"].shape == (1, 2, 4)  # the rest, left atrium
    assert weights["up2_norm.weight"].shape == (1, 3, 4)  # the rest, myocardium, left atrium
    history, validation = (pd.read_csv(translator / f"{name}.csv") for name in ("history", "validation"))
    assert history[["level_left atrium", "level_myocardium"]].notna().all(axis=None)
    assert validation[["kept_left atrium", "contrast_myocardium"]].notna().all(axis=None)
    assert json.loads((translator / "models" / "model.json").read_text())["structures"] == STRUCTURES


def test_translations_keep_the_labels_of_all_structures(translated, data):
    description = json.loads((translated / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "left atrium": ATRIUM, "myocardium": MUSCLE}
    for number in range(2):
        label = nib.load(translated / "labelsTr" / f"chest_{number}_tanq.nii.gz").get_fdata()
        np.testing.assert_array_equal(label, chest(number)[0])
        image = nib.load(translated / "imagesTr" / f"chest_{number}_tanq_0000.nii.gz").get_fdata()
        assert np.isfinite(image).all() and (image[label > 0] > 0).all()


def test_labels_are_refined_scored_and_shown_by_the_structures_own_names(labelled, segmenter, data, tmp_path):
    folders = {"prediction_dir": str(labelled), "truth_dir": str(data / "test")}
    refined = {"structures": STRUCTURES, "output_dir": str(tmp_path / "refined")} | folders
    done = run_bundle("vs_cochlea_seg", "refine", **refined)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "refined" / "refinement.csv")
    assert sorted(table["structure"].unique()) == ["left atrium", "myocardium"]
    assert not table["reason"].fillna("").str.contains("VS|cochlea").any()
    done = run_bundle("vs_cochlea_seg", "evaluate", **(refined | {"output_dir": str(tmp_path / "scores")}))
    assert done.returncode == 0, done.stderr
    scores = pd.read_csv(tmp_path / "scores" / "scores.csv")
    assert len(scores) == 4 and scores["truth_mm3"].gt(0).all()
    done = run_command("segment", data / "test", "--output-dir", tmp_path / "out", "--ensemble-dir", segmenter)
    assert done.returncode == 0, done.stderr
    volumes = pd.read_csv(tmp_path / "out" / "volumes.csv")
    assert list(volumes) == ["case", "left atrium_ml", "myocardium_ml", "remarks"]
    voxels = (nib.load(tmp_path / "out" / "chest_20_Label.nii.gz").get_fdata() == MUSCLE).sum()
    assert volumes["myocardium_ml"][0] == pytest.approx(voxels * 0.128, abs=1e-4)
    page = (tmp_path / "out" / "segmentations.html").read_text()
    assert "left atrium" in page and "cochlea" not in page.split("<body>")[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("structures", "told"),
    [
        ({"left atrium": 1, "myocardium": 2}, "'left atrium' has no norm, by which the translator goes; write it like"),
        ({"left atrium": {"value": 1, "norm": "none"}}, "with norm own or surroundings; give one (names and label"),
        ({"left atrium": {"value": 1, "norm": "own"}, "myocardium": {"value": 1}}, "each of one structure, or"),
    ],
)
def test_structures_that_a_translator_cannot_go_by_are_told_in_one_line(structures, told, data, tmp_path):
    folders = {"dataset_dir": data, "output_dir": tmp_path / "run", "start_from": None}
    (line,) = mistakes(run_bundle("tanq_translation", "train", structures=structures, **folders))
    assert told in line
    assert not (tmp_path / "run").exists()


def test_weights_of_other_structures_are_refused_in_one_line(translator, data, tmp_path):
    model = {"model_file": translator / "models" / "model.pt", "structures": {"VS": 1, "cochlea": 2, "nerve": 3}}
    model["structures"]["nerve"] = {"value": 3, "norm": "own"}
    folders = {"dataset_dir": data / "training_source", "output_dir": tmp_path / "pseudo"}
    (line,) = mistakes(run_bundle("tanq_translation", "inference", **folders, **model))
    assert "model.pt" in line
    assert not (tmp_path / "pseudo").exists()
