"""Every config checks its choices before anything else, by one table."""

from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_workflow import BUNDLES
from configs import RUNS, chosen, read, typed
from files import write_nifti
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser
from typed import mistakes, run_bundle

import tanq_monai.segmentation.training.nnunet  # noqa: F401  whose import starts a program
from tanq_monai.choices.config import ENTRIES, MAY_BE_NULL, checked_choices, is_evaluated, references
from tanq_monai.choices.kinds import Component, Place
from tanq_monai.choices.run import typed_words
from tanq_monai.choices.table import CHOICES
from tanq_monai.errors import InputErrors, mistake_behind

PLACES = ["1.10", "[new]", "2024", "a,b", "case#1", "{x}", "false", "1e3", "(a)", "a b", "'", "0x10", "1_0", "-"]


@pytest.fixture(autouse=True)
def one_of_two_ranks(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")


def told(run, *arguments, **choices):
    """The lines of the mistakes that a check tells."""
    with pytest.raises(RuntimeError) as caught:
        run(*arguments, **choices)
    return str(mistake_behind(caught.value)).splitlines()


def choices_of(name):
    return [word for word in read(name) if word in CHOICES]


@pytest.mark.parametrize("name", RUNS)
def test_every_config_checks_its_choices_first(name):
    config = read(name)
    assert config["initialize"][:2] == ["$errors.print_mistakes_in_one_line()", "$choices.check()"]
    assert "$import tanq_monai.choices.run as choices" in config["imports"]


@pytest.mark.parametrize("name", RUNS)
def test_every_plain_value_at_the_top_of_a_config_is_a_choice_of_the_table(name):
    plain = {word for word, value in read(name).items() if not is_evaluated(value)}
    assert plain - ENTRIES <= CHOICES.keys()


def test_every_choice_of_the_table_is_one_of_a_config():
    tracking = ConfigParser.load_config_file(BUNDLES / "tanq_translation" / "configs" / "tracking" / "mlflow.yaml")
    words = {word for name in RUNS for word in choices_of(name)}
    assert words | (tracking["configs"].keys() & CHOICES.keys()) == CHOICES.keys()


@pytest.mark.parametrize("name", RUNS)
def test_what_may_be_null_is_what_a_config_leaves_null_or_says(name):
    config = read(name)
    null = {word for word in choices_of(name) if config[word] is None}
    assert null <= set(config.get(MAY_BE_NULL, ())) <= set(choices_of(name))


@pytest.mark.parametrize("name", RUNS)
def test_the_defaults_of_every_config_are_allowed(name):
    values, config = chosen(name), read(name)
    plain = {word: config[word] for word in choices_of(name) if not is_evaluated(config[word])}
    assert {word: values[word] for word in plain} == plain | {"bundle_root": values["bundle_root"]}


@pytest.mark.parametrize("name", RUNS)
def test_a_name_that_a_config_does_not_have_is_told_with_the_one_that_was_meant(name):
    folder = next(word for word in ("dataset_dir", "prediction_dir", "run_dir") if word in choices_of(name))
    mistyped = folder.replace("dir", "dri")
    assert told(chosen, name, **{mistyped: "x"}) == [f"{mistyped}: is no choice here; did you mean {folder}?"]
    (line,) = told(chosen, name, qqqq=3)
    assert line.startswith("qqqq: is no choice here; choose of ")
    assert f" {folder}" in line


def test_a_choice_of_another_config_is_none_of_this_one():
    (line,) = told(typed, "vs_cochlea_seg/ensemble", "--model_dir", "x")
    assert line.startswith("model_dir: is no choice here; ")


@pytest.mark.parametrize("name", RUNS)
def test_every_choice_refuses_a_value_of_another_type(name):
    config = read(name)
    for word in choices_of(name):
        wrong = 3 if isinstance(CHOICES[word].kind, Component) else object()
        with pytest.raises(InputErrors, match=rf"^{word} .*: is not "):
            checked_choices(config | {word: wrong})


def test_defaults_that_another_choice_makes_useless_are_left_alone():
    found = chosen("tanq_translation/train", source_dir="a", target_dir="b")  # dataset_dir
    assert (found["source_dir"], found["target_dir"]) == ("a", "b")
    assert "width" in chosen("tanq_translation/inference", network_def={"_target_": "torch.nn.Identity"})


@pytest.mark.parametrize("name", RUNS)
def test_every_choice_refuses_null_unless_the_config_says_otherwise(name):
    config = read(name)
    for word in choices_of(name):
        for null in ("None", "null", "~", "NULL"):  # typed, Fire drops the first
            if word in config.get(MAY_BE_NULL, ()):
                assert checked_choices(config, {word: null})[word] is None
                assert checked_choices(config | {word: null})[word] is None
            else:
                with pytest.raises(InputErrors, match=rf"^{word} {null}: "):
                    checked_choices(config, {word: null})
                with pytest.raises(InputErrors, match=rf"^{word} None: "):
                    checked_choices(config | {word: None})


@pytest.mark.parametrize("name", RUNS)
def test_every_file_and_folder_is_called_as_it_was_typed(name):
    config = read(name)
    for word in (word for word in choices_of(name) if isinstance(CHOICES[word].kind, Place)):
        for place in PLACES if word in references(config) else ():
            assert checked_choices(config | {word: DefaultParseValue(place)}, {word: place})[word] == place


@pytest.mark.parametrize("place", PLACES)
def test_a_place_stays_as_it_was_typed_for_all_that_follows_from_it(place):
    values = typed("tanq_translation/train", "--dataset_dir", place)
    assert (values["dataset_dir"], values["source_dir"]) == (place, f"{place}/training_source")


@pytest.mark.parametrize(
    ("word", "meant"), [("false", False), ("no", False), ("off", False), ("True", True), ("on", True)]
)
def test_a_flag_is_what_its_word_says(word, meant):
    assert typed("vs_cochlea_seg/ensemble", "--uncertainty", word)["uncertainty"] is meant
    assert typed("vs_cochlea_seg/inference", "--amp", word)["amp"] is meant


def test_choices_that_follow_from_others_follow_from_what_was_meant():
    values = typed("tanq_translation/inference", "--label_free", "off", "--dataset_dir", "case#1")
    assert (values["engine"], values["label_required"], values["label_dir"]) == ("auto", True, "case#1")


def test_a_part_of_a_config_is_no_choice():
    for part in ("network_def", "state", "fixed_choices"):
        (line,) = told(typed, "tanq_translation/train", f"--{part}", "3")
        assert line.startswith(f"{part}: is no choice here; ")
    for part in ("network", "train", "run"):  # which MONAI itself looks for
        (line,) = told(typed, "tanq_translation/train", f"--{part}", "3")
        assert line.startswith(f"{part}: is no choice here; ")
    network = torch.nn.Identity()  # which Python may give
    assert chosen("tanq_translation/train", network_def=network)["device"]


@pytest.mark.parametrize(
    ("name", "choices", "line"),
    [
        ("tanq_translation/train", {"weights#levels": -1}, "levels -1: is not a number, 0 or more"),
        (
            "tanq_translation/train",
            {"weights#classes": [1, 2]},
            "classes [1, 2]: is not {name: value, ...}, each value a number",
        ),
        ("tanq_translation/train_cyclegan", {"weights#cycle": "a"}, "cycle a: is not a number, 0 or more"),
        (
            "vs_cochlea_seg/train",
            {"plans_override": {"patch_size": ["a"]}},
            "plans_override {'patch_size': ['a']}: is not",
        ),
        ("vs_cochlea_seg/train", {"train#trainer#max_epochs": 0}, "train#trainer#max_epochs 0: is not a whole number"),
    ],
)
def test_parts_of_a_choice_have_their_ranges_too(name, choices, line):
    assert told(chosen, name, **choices)[0].startswith(line)


def test_all_mistakes_are_told_at_once():
    lines = told(chosen, "vs_cochlea_seg/inference", overlap=1.0, windows_per_batch=0, modle_dir="x")
    assert [line.split(":")[0] for line in lines] == ["modle_dir", "overlap 1.0", "windows_per_batch 0"]


def test_values_that_python_gives_may_be_objects():
    device = torch.device("cpu")
    values = chosen("vs_cochlea_seg/inference", device=device, dataset_dir=Path("a#b"), suffixes=("T2",))
    assert (values["device"], values["dataset_dir"], values["suffixes"]) == (device, "a#b", ["T2"])


def test_a_text_from_python_that_monai_has_changed_is_refused():
    (line,) = told(chosen, "vs_cochlea_seg/inference", dataset_dir="a#b")
    assert line.startswith(
        "dataset_dir a::b: has ::, which is what MONAI makes of #, not the name of a file or folder; give one (folder"
    )


def test_an_argument_that_a_component_does_not_take_is_told():
    (line,) = told(chosen, "tanq_translation/train", **{"weights#levls": 3})
    assert line == "weights#levls: is no argument of tanq_monai.trainers.tanq.TanqWeights; did you mean levels?"
    (line,) = told(chosen, "vs_cochlea_seg/inference", **{"inferer#overlp": 3})
    assert line.startswith("inferer#overlp: is no argument of ")


def test_an_expression_that_cannot_be_worked_out_is_told():
    (line,) = told(chosen, "vs_cochlea_seg/inference", output_dir="$HOME/labels")
    assert line.startswith(
        "output_dir: cannot be worked out (NameError: name 'HOME' is not defined); give a value (folder"
    )


def test_a_choice_that_cannot_be_worked_out_is_told_once_whatever_follows_from_it(tmp_path):
    (tmp_path / "model.json").write_text("[]")
    (line,) = told(chosen, "tanq_translation/inference", model_file=str(tmp_path / "model.pt"))
    assert line.startswith(f"{tmp_path / 'model.json'}: has not the choices pixels, ")


def test_words_are_those_of_monais_program_alone():
    words = ["run", "--dataset_dir", "1.10", "--output-dir=a=b", "--mirror", "--overlap", "-0.5", "--device", "$x"]
    assert typed_words(["/x/monai/bundle/__main__.py", *words]) == {
        "dataset_dir": "1.10",
        "output_dir": "a=b",
        "overlap": "-0.5",
    }
    assert typed_words(["/x/monailabel/main.py", *words]) == typed_words([]) == {}


@pytest.mark.parametrize("folder", ["1.10", "[new]", "2024", "a,b", "case#1"])
def test_a_run_reads_and_writes_the_folders_that_were_typed(tmp_path, monkeypatch, folder):
    labels = np.zeros((8, 8, 3), np.uint8)
    labels[2:4, 2:4], labels[5:7, 5:7] = 1, 2
    write_nifti(tmp_path / folder / "a_1_Label.nii.gz", labels)
    done = run_bundle(
        *("vs_cochlea_seg", "evaluate"),
        **{
            "bundle_root": tmp_path,
            "prediction_dir": tmp_path / folder,
            "truth_dir": tmp_path / folder,
            "output_dir": tmp_path / "out" / folder,
        },
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [folder]


def test_a_mistake_ends_a_run_in_one_line_before_anything_is_written(tmp_path):
    done = run_bundle("vs_cochlea_seg", "inference", output_dir=tmp_path / "out", modle_dir=tmp_path, overlap=1)
    assert mistakes(done) == [
        "error: modle_dir: is no choice here; did you mean model_dir?",
        "error: overlap 1: is not a number from 0 to below 1; give one (the share by which neighbouring windows "
        "overlap)",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["@x", "@x/y"])
def test_a_folder_that_is_called_like_a_reference_is_told_how_to_write(tmp_path, folder):
    done = run_bundle("vs_cochlea_seg", "evaluate", prediction_dir=folder, truth_dir=tmp_path, output_dir=tmp_path)
    assert mistakes(done) == [
        f"error: prediction_dir {folder}: is a reference of MONAI's to what the config has not; "
        f"write ./{folder} where that is a file or folder"
    ]
    assert list(tmp_path.iterdir()) == []
