"""The commands that train a segmenter for hospitals that it never saw."""

from itertools import pairwise

import yaml
from train_segmenter import MODEL, hospital_steps


def options_of(step):
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def test_every_choice_of_the_commands_is_one_of_its_config_and_of_the_phantom(tmp_path):
    *phantoms, train, segment, score, _, _ = hospital_steps(tmp_path, 0, 160)
    assert [step.name for step in phantoms] == ["hospitals", "left_out", "sites"]
    for step in (train, segment, score):
        options = options_of(step)
        config = yaml.safe_load((step.folder / options["config_file"]).read_text())
        assert options.keys() - {"config_file", "meta_file", "logging_file"} <= config.keys()
    assert options_of(segment)["model_dir"] == str(tmp_path / MODEL)


def test_the_vendor_whose_scans_are_scored_is_not_trained_on(tmp_path):
    words = {step.name: step.arguments for step in hospital_steps(tmp_path, 0, 160)}
    assert "--protocols=hospitals" in words["hospitals"] and "--num-test=0" in words["hospitals"]
    assert "--protocols=left_out" in words["left_out"] and "--num-target=0" in words["left_out"]
    assert "left_out" not in " ".join(words["train_segmenter"])
