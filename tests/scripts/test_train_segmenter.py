"""The commands that train a segmenter for hospitals that it never saw."""

from inspect import signature
from itertools import pairwise
from pathlib import Path

import yaml
from calibrate_segmenter import calibrate_segmenter
from train_segmenter import MODEL, hospital_steps


def options_of(step):
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def test_every_choice_of_the_commands_is_one_of_its_config_and_of_the_phantom(tmp_path):
    *phantoms, train, calibrate, segment, score, _, _ = hospital_steps(tmp_path, 0, 160)
    assert [step.name for step in phantoms] == ["hospitals", "left_out", "further", "sites"]
    for step in (train, segment, score):
        options = options_of(step)
        config = yaml.safe_load((step.folder / options["config_file"]).read_text())
        assert options.keys() - {"config_file", "meta_file", "logging_file"} <= config.keys()
    script, *words = calibrate.arguments
    options = dict(word.removeprefix("--").split("=") for word in words)
    assert {name.replace("-", "_") for name in options} == signature(calibrate_segmenter).parameters.keys()
    assert Path(script).samefile(calibrate_segmenter.__code__.co_filename)
    assert options_of(train)["output_dir"] == str(Path(options["model-dir"]).parents[1])
    assert options["output-dir"] == options_of(segment)["model_dir"] == str(tmp_path / MODEL)


def test_the_patients_of_the_calibration_are_others_than_those_that_are_scored(tmp_path):
    words = {step.name: step.arguments for step in hospital_steps(tmp_path, 5, 160)}
    seeds = {
        name: next(word for word in words[name] if "seed" in word) for name in ("hospitals", "left_out", "further")
    }
    assert seeds == {"hospitals": "--seed=5", "left_out": "--seed=6", "further": "--seed=7"}


def test_the_vendor_whose_scans_are_scored_is_not_trained_on(tmp_path):
    words = {step.name: step.arguments for step in hospital_steps(tmp_path, 0, 160)}
    assert "--protocols=hospitals" in words["hospitals"] and "--num-test=0" in words["hospitals"]
    assert "--protocols=left_out" in words["left_out"] and "--num-target=0" in words["left_out"]
    assert "left_out" not in " ".join(words["train_segmenter"])
