"""The commands that make the shipped weights, and how they come into the bundles."""

import json
import shutil
from itertools import pairwise

import pandas as pd
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES
from ship_weights import FILES, METRICS, SEGMENTER, TRANSLATOR, ship_weights
from train_segmenter import hospital_steps
from train_translator import translator_steps

from tanq_monai.deploy.engines import read_usable
from tanq_monai.errors import InputError

MONAIS_OWN = {"config_file", "meta_file", "logging_file"}


def options_of(step):
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def test_every_choice_of_the_translators_training_is_one_of_its_config(tmp_path):
    phantom, training = translator_steps(tmp_path, "small", seed=0)
    assert phantom.arguments[:3] == ("-m", "tanq_monai", "phantom")
    options = options_of(training)
    config = yaml.safe_load((training.folder / options["config_file"]).read_text())
    for option in options.keys() - MONAIS_OWN:
        value = config
        for key in option.split("#"):
            value = value[key]  # a KeyError names the option


@pytest.mark.parametrize(
    ("bundle", "steps"), [(TRANSLATOR, translator_steps), (SEGMENTER, hospital_steps)], ids=[TRANSLATOR, SEGMENTER]
)
def test_the_commands_write_what_is_shipped(tmp_path, bundle, steps):
    """Where the trainings and the scores go is where shipping looks for them."""
    given = (tmp_path, "small", 0) if bundle == TRANSLATOR else (tmp_path, 0, 4)
    folders = [options_of(step).get("output_dir") for step in steps(*given)]
    for source in FILES[bundle].values():
        assert any(folder and (tmp_path / source).is_relative_to(folder) for folder in folders), source


@pytest.fixture
def trained(tmp_path):
    """A training's folder, with other scores than those of the shipped weights, and a copy of the bundles."""
    for bundle, files in FILES.items():
        shutil.copytree(BUNDLES / bundle, tmp_path / "bundles" / bundle)
        for place, source in files.items():
            path = tmp_path / "trained" / source
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(BUNDLES / bundle / place, path)
            if place.endswith(".csv"):
                table = pd.read_csv(path)
                numbers = table.select_dtypes("float").columns
                table[numbers] += 0.5
                table.to_csv(path, index=False)
            if place.endswith("model.pt"):
                weights = torch.load(path, weights_only=True)
                torch.save({name: weight * 1.01 for name, weight in weights.items()}, path)
    return tmp_path / "trained", tmp_path / "bundles"


def metrics_of(bundles):
    return {
        bundle: json.loads((bundles / bundle / "configs" / "metadata.json").read_text())["eval_metrics"]
        for bundle in FILES
    }


@pytest.mark.slow
def test_shipping_copies_weights_and_scores_writes_the_scores_into_the_metadata_and_exports_the_segmenter(trained):
    out, bundles = trained
    before, model = metrics_of(bundles), bundles / SEGMENTER / "models" / "model.onnx"
    made_of = read_usable(model)["weights"]
    ship_weights(str(out), str(out), str(bundles))
    for bundle, files in FILES.items():
        for place, source in files.items():
            assert (bundles / bundle / place).read_bytes() == (out / source).read_bytes()
        table = pd.read_csv(bundles / bundle / "docs" / "evaluation.csv")
        assert metrics_of(bundles)[bundle] == METRICS[bundle](table)
        assert metrics_of(bundles)[bundle] != before[bundle]
    assert read_usable(model)["weights"] != made_of


def test_an_unfinished_training_is_told_and_changes_nothing(trained):
    out, bundles = trained
    (out / FILES["vs_cochlea_seg"]["docs/evaluation.csv"]).unlink()
    before = {path: path.read_bytes() for path in bundles.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"summary\.csv: is missing; let the training's script come to its end"):
        ship_weights(str(out), str(out), str(bundles))
    assert {path: path.read_bytes() for path in bundles.rglob("*") if path.is_file()} == before


def test_one_of_both_is_shipped_alone_and_none_is_refused(trained):
    out, bundles = trained
    before = {path: path.read_bytes() for path in (bundles / SEGMENTER).rglob("*") if path.is_file()}
    ship_weights(translator=str(out), bundles=str(bundles))
    shipped = out / FILES[TRANSLATOR]["models/model.pt"]
    assert (bundles / TRANSLATOR / "models" / "model.pt").read_bytes() == shipped.read_bytes()
    assert {path: path.read_bytes() for path in (bundles / SEGMENTER).rglob("*") if path.is_file()} == before
    with pytest.raises(InputError, match="neither is given"):
        ship_weights(bundles=str(bundles))
