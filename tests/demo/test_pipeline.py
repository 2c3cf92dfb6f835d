"""The demo's commands and the arithmetic of its table; `make demo` runs them."""

import inspect
import math
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tanq_monai import cli
from tanq_monai.demo.pipeline import SEGMENTERS, _row, closed_gap, segmentation_steps, translation_steps
from tanq_monai.demo.report import NO_ADAPTATION, SUPERVISED_BOUND, TANQ
from tanq_monai.demo.settings import SIZES

MONAIS_OWN = {"config_file", "meta_file", "logging_file"}


def options_of(step):
    """Value by name of every ``--option`` of a step."""
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def config_of(step):
    return yaml.safe_load((step.folder / options_of(step)["config_file"]).read_text())


def default_of(config, option):
    for key in option.split("#"):
        config = config[key]
    return config


def steps_of(root, size):
    """All steps of a demo by name."""
    settings = SIZES[size]
    steps = translation_steps(root, settings, seed=7)
    steps += [step for segmenter in SEGMENTERS for step in segmentation_steps(root, settings, segmenter)]
    return {step.name: step for step in steps}


@pytest.fixture(params=sorted(SIZES))
def steps(request, tmp_path):
    return steps_of(tmp_path, request.param)


def table(no_adaptation, tanq, bound):
    """Dice of VS and cochlea of the three segmenters."""
    rows = {NO_ADAPTATION: no_adaptation, TANQ: tanq, SUPERVISED_BOUND: bound}
    return pd.DataFrame({name: {"VS Dice": vs, "cochlea Dice": cochlea} for name, (vs, cochlea) in rows.items()}).T


def test_every_step_has_its_own_name_so_that_it_is_remembered_by_itself(steps):
    assert len(steps) == 3 + 3 * len(SEGMENTERS)


def test_options_of_the_bundle_steps_are_ids_of_their_configs(steps):
    bundle_steps = [step for step in steps.values() if "monai.bundle" in step.arguments]
    assert len(bundle_steps) == len(steps) - 1
    for step in bundle_steps:
        config = config_of(step)
        for option in options_of(step).keys() - MONAIS_OWN:
            default_of(config, option)  # a KeyError names the option


def test_options_of_the_phantom_step_are_parameters_of_its_command(steps):
    options = {name.replace("-", "_") for name in options_of(steps["phantom"])}
    assert options == set(inspect.signature(cli.phantom).parameters) - {"paired", "workers", "random_protocols"}


def test_training_and_inference_of_the_translator_agree_on_slices_and_network(steps):
    trained, used = steps["train_translator"], steps["translate"]
    for option in ("pixels", "pixel_mm", "width", "blocks"):
        values = [options_of(step).get(option, str(default_of(config_of(step), option))) for step in (trained, used)]
        assert values[0] == values[1], option


def test_the_seed_reaches_phantom_and_translator(steps):
    assert options_of(steps["phantom"])["seed"] == "7"
    assert options_of(steps["train_translator"])["seed"] == "7"


def test_a_crop_of_the_translator_fits_into_its_slices(steps):
    options = options_of(steps["train_translator"])
    assert int(options["crop"]) <= int(options["pixels"])


def test_every_step_reads_what_a_step_before_it_wrote(tmp_path):
    written = {tmp_path / "data"}
    for step in steps_of(tmp_path, "tiny").values():
        options = options_of(step)
        for option in {"dataset_dir", "label_dir", "truth_dir", "model_dir", "model_file"} & options.keys():
            path = Path(options[option])
            assert any(path == folder or folder in path.parents for folder in written), (step.name, option)
        written.add(Path(options.get("output_dir", options.get("output-dir"))))


def test_only_the_bound_is_trained_on_withheld_labels_and_none_on_test_scans(steps):
    trainings = {name: step.command for name, step in steps.items() if name.startswith("train_")}
    assert len(trainings) == 1 + len(SEGMENTERS)
    assert [name for name, command in trainings.items() if "withheld_labels" in command] == ["train_supervised"]
    assert not any("validation" in command for command in trainings.values())


def test_the_three_segmenters_differ_in_nothing_but_folders(steps):
    folders = {"dataset_dir", "label_dir", "output_dir"}
    choices = [
        {option: value for option, value in options_of(steps[f"train_{s.name}"]).items() if option not in folders}
        for s in SEGMENTERS
    ]
    assert choices[0] == choices[1] == choices[2]


def test_the_three_segmenters_are_scored_on_the_same_scans_and_truth(steps):
    scans = {options_of(steps[f"segment_{s.name}"])["dataset_dir"] for s in SEGMENTERS}
    truths = {options_of(steps[f"score_{s.name}"])["truth_dir"] for s in SEGMENTERS}
    assert len(scans) == len(truths) == 1


def test_the_share_of_the_gap_is_told_in_percent_per_structure():
    scores = table(no_adaptation=(0.2, 0.1), tanq=(0.65, 0.4), bound=(0.8, 0.5))
    assert closed_gap(scores) == "share of the Dice gap that TANQ closes: VS 75%, cochlea 75%"


def test_a_share_is_told_by_structure_and_may_be_negative_or_above_one():
    scores = table(no_adaptation=(0.4, 0.2), tanq=(0.3, 0.7), bound=(0.8, 0.6))
    assert closed_gap(scores) == "share of the Dice gap that TANQ closes: VS -25%, cochlea 125%"


def test_a_gap_that_is_none_has_no_share():
    scores = table(no_adaptation=(0.8, 0.2), tanq=(0.7, 0.4), bound=(0.8, 0.6))
    assert closed_gap(scores) == "share of the Dice gap that TANQ closes: VS n/a, cochlea 50%"


def test_a_row_of_the_table_holds_mean_sample_deviation_and_count_of_each_structure(tmp_path):
    scores = [
        ("one", "VS", 0.5, 2.0),
        ("two", "VS", 0.9, 1.0),
        ("three", "VS", 0.7, 3.0),
        ("one", "cochlea", 0.25, 0.5),
        ("two", "cochlea", 0.75, 1.5),
        ("three", "cochlea", math.nan, math.nan),  # a case without cochlea counts nowhere
    ]
    frame = pd.DataFrame(scores, columns=["case", "structure", "dice", "assd_mm"])
    frame.to_csv(tmp_path / "scores.csv", index=False)
    assert _row(tmp_path) == pytest.approx(
        {
            "VS Dice": 0.7,
            "VS Dice sd": 0.2,
            "VS ASSD mm": 2.0,
            "VS ASSD mm sd": 1.0,
            "VS n": 3,
            "cochlea Dice": 0.5,
            "cochlea Dice sd": math.sqrt(0.125),
            "cochlea ASSD mm": 1.0,
            "cochlea ASSD mm sd": math.sqrt(0.5),
            "cochlea n": 2,
        }
    )
