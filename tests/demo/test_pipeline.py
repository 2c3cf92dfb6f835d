"""The demo's commands and the arithmetic of its table; `make demo` runs them."""

import inspect
import math
from ast import literal_eval
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tanq_monai import cli
from tanq_monai.adaptation import Adaptation, Scans, find_scans
from tanq_monai.adaptation.settings import SIZES, trial_settings
from tanq_monai.demo.pipeline import DEMO_SIZES, _row, closed_gap, demo_steps, phantom_step
from tanq_monai.demo.report import ADAPTED, SHIPPED_AS_THEY_ARE, SUPERVISED_BOUND
from tanq_monai.errors import InputError
from tanq_monai.segmentation.rounds.self_training import Data, RoundChoices, SelfTraining
from tanq_monai.steps import BUNDLES
from tanq_monai.structures import Structures

MONAIS_OWN = {"config_file", "meta_file", "logging_file"}


def options_of(step):
    """Value by name of every ``--option`` of a step."""
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def config_of(step):
    """The configs of a step, later ones laid over earlier ones."""
    files = options_of(step)["config_file"]
    config = {}
    for file in literal_eval(files) if files.startswith("[") else [files]:
        config |= yaml.safe_load((step.folder / file).read_text())
    return config


def default_of(config, option):
    for key in option.split("#"):
        config = config[key]
    return config


def steps_of(root, size):
    """All steps of a demo by name."""
    rows = demo_steps(root, DEMO_SIZES[size], 7)
    steps = [phantom_step(root, DEMO_SIZES[size], 7), *(step for row in rows.values() for step in row)]
    assert len({step.name for step in steps}) == len(steps)  # each is remembered by its name
    return {step.name: step for step in steps}


@pytest.fixture(params=["small", "tiny"])
def steps(request, tmp_path):
    return steps_of(tmp_path, request.param)


@pytest.fixture(params=["small", "tiny"])
def trial(request, tmp_path):
    """The steps of an adaptation that trains translators, by name."""
    scans = Scans(*(tmp_path / "data" / name for name in ("training_source", "training_target", "validation")))
    return {step.name: step for step in Adaptation(scans, tmp_path, SIZES[request.param], 7).steps()}


def table(shipped, adapted, bound):
    """Dice of VS and cochlea of three segmenters."""
    rows = {SHIPPED_AS_THEY_ARE: shipped, ADAPTED: adapted, SUPERVISED_BOUND: bound}
    return pd.DataFrame({name: {"VS Dice": vs, "cochlea Dice": cochlea} for name, (vs, cochlea) in rows.items()}).T


def test_options_of_the_bundle_steps_are_ids_of_their_configs(steps):
    bundle_steps = [step for step in steps.values() if "monai.bundle" in step.arguments]
    assert len(bundle_steps) == len(steps) - 3  # phantom, virtual patients and report
    for step in bundle_steps:
        for option in options_of(step).keys() - MONAIS_OWN:
            default_of(config_of(step), option)  # a KeyError names the option


THREE = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})


def test_an_adaptation_of_three_classes_with_the_papers_settings_names_ids_and_classes_everywhere(tmp_path):
    scans = Scans(*(tmp_path / name for name in ("source", "target", "test")))
    line = Adaptation(scans, tmp_path, SIZES["paper"], truth=tmp_path / "truth", structures=THREE)
    *bundle_steps, report = line.steps()
    for step in bundle_steps:
        options = options_of(step)
        for option in options.keys() - MONAIS_OWN:
            default_of(config_of(step), option)
        if "structures" in config_of(step):
            assert literal_eval(options["structures"]) == THREE, step.name
        assert not {"styles", "level_ranges", "max_epochs"} & options.keys()  # the paper's, one look
    assert literal_eval(options_of(report)["structures"]) == THREE
    assert [step.name for step in bundle_steps if "structures" in options_of(step)] == [
        *("train_tanq", "train_cyclegan", "make_translated", "train_self_training", "segment_score"),
    ]


def test_rounds_with_five_folds_train_them_all(tmp_path):
    data = Data(str(tmp_path / "translated"), str(tmp_path / "translated"), str(tmp_path / "target"))
    choices = RoundChoices({"2d": {}, "3d_fullres": {"max_epochs": 3}}, structures=THREE)
    line = SelfTraining(data, tmp_path, choices, bundle=BUNDLES / "vs_cochlea_seg")
    steps = {step.name: options_of(step) for number in (0, 1) for step in line.steps_of(number)}
    for configuration in choices.configurations:
        for fold in range(5):
            options = steps[f"round_1_train_{configuration}_fold_{fold}"]
            assert (options["configuration"], options["fold"]) == (configuration, str(fold))
            assert options.get("max_epochs") == {"2d": None, "3d_fullres": "3"}[configuration]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"configurations": ["2d"]}, "are no mapping; write e.g. {2d: {}}"),
        ({"configurations": {"2d": {"trainer": "nnUNetTrainerAdam"}}}, "name a trainer of their own"),
        ({"configurations": {"2d": {}}, "folds": 0}, "folds 0: are none"),
        ({"configurations": {"2d": {}}, "folds": "all"}, "folds all: are none"),
        ({"configurations": {"2d": {}}, "folds": ["all", 0]}, "are none"),
    ],
)
def test_choices_that_would_end_a_run_after_days_are_refused_at_its_start(choices, words):
    with pytest.raises(InputError) as error:
        RoundChoices(**choices)
    assert words in str(error.value)


def test_the_papers_size_is_no_trial():
    with pytest.raises(InputError, match="--size paper: is not the size of a trial; choose one of tiny, small"):
        trial_settings("paper")


def test_options_of_the_steps_of_self_training_are_ids_of_their_configs(tmp_path):
    data = Data(str(tmp_path / "translated"), str(tmp_path / "translated"), str(tmp_path / "target"))
    choices = RoundChoices({"2d": {"max_epochs": 3}}, folds=["all"])
    line = SelfTraining(data, tmp_path, choices, bundle=BUNDLES / "vs_cochlea_seg")
    steps = [step for number in (0, 1) for step in line.steps_of(number)]
    names = ["train_2d_fold_all", "select", "segment"]
    assert [step.name for step in steps] == [
        *(f"round_0_{name}" for name in names),
        *(f"round_1_{name}" for name in ["refine", *names]),
    ]
    for step in steps:
        for option in options_of(step).keys() - MONAIS_OWN:
            default_of(config_of(step), option)


def test_options_of_the_other_steps_are_parameters_of_their_commands(steps):
    options = {name.replace("-", "_") for name in options_of(steps["phantom"])}
    assert options <= set(inspect.signature(cli.COMMANDS["phantom"]).parameters)
    assert set(options_of(steps["report"])) <= set(inspect.signature(cli.COMMANDS["report"]).parameters)


def test_training_and_use_of_the_translators_agree_on_slices_and_network(trial):
    used = options_of(trial["make_translated"])
    for name in ("train_tanq", "train_cyclegan"):
        trained = options_of(trial[name])
        for option in ("pixels", "pixel_mm", "width"):
            assert trained[option] == used[option], option
        assert trained["output_dir"] == str(Path(used[f"{name.removeprefix('train_')}_model_file"]).parents[1])
    assert options_of(trial["train_tanq"])["styles"] == used["styles"] == "['ldn', 'etz']"


def test_the_seed_reaches_phantom_and_translators(steps, trial):
    assert options_of(steps["phantom"])["seed"] == "7"
    assert {options_of(trial[name])["seed"] for name in ("train_tanq", "train_cyclegan")} == {"7"}


def test_the_hospital_of_the_demo_is_the_one_that_the_training_of_the_weights_leaves_out(steps):
    assert options_of(steps["phantom"])["protocols"] == "left_out"


def test_a_crop_of_the_translators_fits_into_their_slices(trial):
    for name in ("train_tanq", "train_cyclegan"):
        options = options_of(trial[name])
        assert int(options["crop"]) <= int(options["pixels"])


def test_every_step_reads_what_a_step_before_it_wrote(tmp_path):
    written = {tmp_path / "data", BUNDLES}
    read = {
        "dataset_dir",
        "prediction_dir",
        "label_dir",
        "source_dir",
        "target_dir",
        "truth_dir",
        "ensemble_dir",
        "scans",
        "pred",
        "truth",
    }
    for step in steps_of(tmp_path, "tiny").values():
        options = options_of(step)
        for option in {*read, "tanq_model_file", "cyclegan_model_file"} & options.keys():
            path = Path(options[option])
            assert any(path == folder or folder in path.parents for folder in written), (step.name, option)
        written.add(Path(options.get("output_dir", options.get("output-dir", "nowhere"))))


def test_only_the_bound_is_trained_on_withheld_labels_and_none_on_test_scans(steps):
    trained_on = {
        name: [options_of(step).get(option, "") for option in ("dataset_dir", "label_dir", "source_dir", "target_dir")]
        for name, step in steps.items()
        if name.startswith("train_")
    }
    assert list(trained_on) == ["train_self_training", "train_supervised"]
    assert [name for name, paths in trained_on.items() if "withheld_labels" in "".join(paths)] == ["train_supervised"]
    assert not any("validation" in path for paths in trained_on.values() for path in paths)


def test_the_adaptation_and_the_bound_are_trained_with_the_same_choices(steps):
    folders = {"dataset_dir", "label_dir", "output_dir", "model_dir"}
    ours = options_of(steps["train_self_training"])
    expected = {key: str(value) for key, value in literal_eval(ours["training"]).items()} | {"seed": ours["seed"]}
    options = options_of(steps["train_supervised"])
    choices = {key: value for key, value in options.items() if key not in folders | MONAIS_OWN}
    assert choices.pop("configuration") in ours["configurations"]
    assert choices == expected


def test_all_segmenters_are_scored_on_the_same_scans_and_truth(steps):
    names = [name for name in steps if name.startswith("segment") and not name.endswith("_score")]
    scans = {options_of(steps[name])["dataset_dir"] for name in names}
    truths = {options_of(step)["truth_dir"] for name, step in steps.items() if name.endswith("_score")}
    assert len(scans) == len(truths) == 1


@pytest.mark.parametrize(
    "names",
    [("training_source", "training_target"), ("source_training", "target_training", "target_validation")],
)
def test_the_folders_of_every_year_of_crossmoda_are_found(names, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
    scans = find_scans(tmp_path)
    assert [scans.source.name, scans.target.name] == list(names[:2])
    assert (scans.test and scans.test.name) == (names[2] if len(names) == 3 else None)


def test_another_folder_is_told_what_it_lacks(tmp_path):
    with pytest.raises(InputError, match="has not the folders of crossMoDA; give one with training_source"):
        find_scans(tmp_path)


def test_the_share_of_the_gap_is_told_in_percent_per_structure():
    scores = table(shipped=(0.2, 0.1), adapted=(0.65, 0.4), bound=(0.8, 0.5))
    assert closed_gap(scores) == "share of the Dice gap that the adaptation closes: VS 75%, cochlea 75%"


def test_a_share_is_told_by_structure_and_may_be_negative_or_above_one():
    scores = table(shipped=(0.4, 0.2), adapted=(0.3, 0.7), bound=(0.8, 0.6))
    assert closed_gap(scores) == "share of the Dice gap that the adaptation closes: VS -25%, cochlea 125%"


def test_a_gap_that_is_none_has_no_share():
    scores = table(shipped=(0.8, 0.2), adapted=(0.7, 0.4), bound=(0.809, 0.6))
    assert closed_gap(scores) == "share of the Dice gap that the adaptation closes: VS n/a, cochlea 50%"


def test_a_row_of_the_table_holds_mean_interval_and_count_of_each_structure(tmp_path):
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
    row = _row(tmp_path)
    means = {"VS Dice": 0.7, "VS ASSD mm": 2.0, "VS n": 3, "cochlea Dice": 0.5, "cochlea ASSD mm": 1.0, "cochlea n": 2}
    assert {name: row[name] for name in means} == pytest.approx(means)
    # Two cases: both ends of the interval are the cases themselves.
    assert row["cochlea Dice 95% CI"] == "(0.250, 0.750)"
    assert row.keys() - means.keys() == {f"{name} 95% CI" for name in means if not name.endswith(" n")}
