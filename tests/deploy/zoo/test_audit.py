"""A bundle is printed for somebody to read, and what is not of the release is named."""

import contextlib
import fractions
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_up_zoo import make_bundle, zip_of
from typed import mistakes, run_command

import tanq_monai
from tanq_monai.cli import main
from tanq_monai.deploy.zoo.audit import audit_bundle
from tanq_monai.deploy.zoo.release import digest
from tanq_monai.errors import InputError
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES

CONFIG = """imports: [$import statistics]
names: ['@a', text]
number: 1.5
middle: {_target_: statistics.median, data: '$[1, 2]'}
"""
OWN = {"configs/own.yaml": CONFIG}
PRINTED = [
    f"configs/own.yaml: is not of the installed tanq_monai {tanq_monai.__version__}",
    "configs/own.yaml: 1: evaluates import statistics",
    "configs/own.yaml: 2: names: @a",
    "configs/own.yaml: 2: names: text",
    "configs/own.yaml: 4: calls statistics.median",
    "configs/own.yaml: 4: evaluates [1, 2]",
]
PLANS = json.loads((Path(__file__).parents[2] / "small_model" / "plans.json").read_text())


def problems(bundle):
    return [str(problem) for problem in audit_bundle(bundle)[1]]


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_nothing_speaks_against_both_bundles_of_the_repository(name):
    lines, found = audit_bundle(BUNDLES / name)
    assert found == []
    assert len(lines) > 100  # else nothing was looked at


def test_every_call_expression_and_text_is_printed_and_nothing_evaluated(tmp_path):
    lines, _ = audit_bundle(make_bundle(tmp_path / "bundle", files=OWN))
    assert [line for line in lines if line.startswith("configs/own.yaml")] == PRINTED
    assert "configs/metadata.json: requires nibabel 5.2.0" in lines
    assert "configs/metadata.json: requires monai 1.6.1" in lines


def test_a_part_that_yaml_repeats_is_printed_once(tmp_path):
    config = {"configs/own.yaml": "one: &part {text: a}\nother: *part\n"}
    lines, _ = audit_bundle(make_bundle(tmp_path / "bundle", files=config))
    assert [line for line in lines if line.startswith("configs/own.yaml: 1")] == ["configs/own.yaml: 1: text: a"]


def test_json_is_printed_as_yaml_is(tmp_path):
    content = {"imports": ["$import statistics"], "x#_target_": "statistics.mean", "y": None}
    lines, _ = audit_bundle(make_bundle(tmp_path / "bundle", files={"configs/own.json": json.dumps(content, indent=1)}))
    assert "configs/own.json: 3: evaluates import statistics" in lines
    assert "configs/own.json: 5: calls statistics.mean" in lines


@pytest.mark.parametrize(
    "name", ["own.py", "configs/own.yaml", "models/model.ts", "tanq_monai/manual.py", "docs/a.html"]
)
def test_a_file_that_may_run_and_is_not_of_the_release_is_named_with_what_to_do(tmp_path, name):
    bundle = make_bundle(tmp_path / "bundle", files={name: "a: 1\n"})
    what = f"brings {name}, which is not of the installed tanq_monai {tanq_monai.__version__}; "
    assert problems(bundle) == [f"{bundle}: {what}read it, or remove it, before you run the bundle"]
    archive = zip_of(bundle, tmp_path / "bundle.zip")
    trust = f"fetch the bundle with --trust {digest(archive.read_bytes())}"
    assert problems(archive) == [f"{archive}: {what}if you have read it and trust it, {trust}"]


def test_compiled_code_is_named_once_for_every_folder(tmp_path):
    compiled = {f"{folder}/__pycache__/{name}.pyc": "" for folder in ("docs", "tanq_monai") for name in "ab"}
    (told,) = problems(make_bundle(tmp_path / "bundle", files=compiled))
    assert "brings docs/__pycache__ and 1 more, which are" in told


@pytest.mark.parametrize("name", ["model.pt", "discriminator.pt", "projector.pt"])
def test_weights_that_are_more_than_tensors_are_refused(tmp_path, name):
    bundle = make_bundle(tmp_path / "bundle")
    torch.save({"weight": torch.zeros(2)}, bundle / "models" / name)
    assert problems(bundle) == []
    torch.save({"weight": fractions.Fraction(1, 2)}, bundle / "models" / name)
    assert problems(bundle) == [f"{bundle}: models/{name} is more than weights, or damaged; do not use it"]
    torch.save({"epoch": 1}, bundle / "models" / name)
    assert len(problems(bundle)) == 1


@pytest.mark.parametrize(
    "metadata",
    [{"task": "$1 + 1"}, {"task": ["@image"]}, {"inputs": {"%docs/README.md": 1}}, {"task": {"_target_": "Compose"}}],
)
def test_metadata_of_which_monai_would_evaluate_any_are_refused(tmp_path, metadata):
    bundle = make_bundle(tmp_path / "bundle", **metadata)
    assert problems(bundle) == [f"{bundle}: configs/metadata.json is more than texts and numbers; do not use it"]
    assert problems(make_bundle(tmp_path / "other", task='costs 1 $, or "$1", by mail @ 50 %')) == []


def test_plans_of_an_own_training_may_be_others_as_long_as_they_name_networks(tmp_path):
    configuration = PLANS["configurations"]["2d"]
    configuration["patch_size"] = [96, 96]
    assert problems(make_bundle(tmp_path / "bundle", files={"models/plans.json": json.dumps(PLANS)})) == []
    configuration["architecture"] |= {"network_class_name": "fractions.Fraction"}
    bundle = make_bundle(tmp_path / "bundle", files={"models/plans.json": json.dumps(PLANS)})
    assert problems(bundle) == [f"{bundle}: models/plans.json names more than networks; do not use it"]


def test_a_link_is_named_wherever_it_leads(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "docs").symlink_to(tmp_path)
    assert problems(bundle) == [f"{bundle}: docs is a link, which leads elsewhere; do not use it"]


def test_what_runs_wrote_is_told_not_to_be_looked_at(tmp_path):
    lines, found = audit_bundle(make_bundle(tmp_path / "bundle", files={"runs/own.yaml": CONFIG, "installed.json": ""}))
    assert (lines[-1], found) == ("runs: not looked at; remove it unless runs of yours wrote it", [])


def test_what_is_printed_is_one_line_without_signs_that_a_terminal_acts_on(tmp_path):
    config = json.dumps({"a\nb\x1b[2K": "$x\r"})
    lines, _ = audit_bundle(make_bundle(tmp_path / "bundle", files={"configs/own.json": config}))
    assert all(line.isprintable() for line in lines)
    assert "configs/own.json: 1: evaluates x\\r" in lines


@pytest.mark.parametrize("text", ["a: [1", "\x00", "? {a: 1}\n: *b\n"])
def test_a_config_that_cannot_be_read_is_told_beside_the_others(tmp_path, text):
    lines, found = audit_bundle(
        make_bundle(tmp_path / "bundle", files={"configs/own.yaml": text} | {"configs/z.yaml": CONFIG})
    )
    assert any(line.startswith("configs/own.yaml: 1: cannot be read (") for line in lines)
    assert "configs/z.yaml: 4: calls statistics.median" in lines
    assert len(found) == 1


def test_metadata_that_cannot_be_read_are_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match=r"metadata\.json: is no JSON object; give a whole bundle"):
        audit_bundle(make_bundle(tmp_path / "bundle", files={"configs/metadata.json": "[]"}))


def test_what_is_no_bundle_is_told(tmp_path):
    (tmp_path / "text").write_text("text")
    with pytest.raises(InputError, match=r"is no bundle: it has no configs/metadata\.json"):
        audit_bundle(tmp_path)
    for name in ("text", "none"):
        with pytest.raises(InputError, match="is neither a folder nor a whole zip file"):
            audit_bundle(tmp_path / name)


def test_the_command_prints_all_and_fails_where_anything_is_not_of_the_release(tmp_path):
    good = run_command("audit", make_bundle(tmp_path / "good"))
    assert (good.returncode, good.stderr) == (0, "")
    bad = run_command("audit", make_bundle(tmp_path / "bad", files=OWN))
    assert set(PRINTED) <= set(bad.stdout.splitlines())
    (told,) = mistakes(bad)
    assert told.startswith(
        f"error: {tmp_path / 'bad'}: brings configs/own.yaml, which is not of the installed tanq_monai "
    )


def test_whoever_stops_reading_gets_no_traceback(tmp_path, capsys):
    bundle = make_bundle(tmp_path / "bundle")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout, contextlib.redirect_stdout(stdout):  # closed in the end, as by Python
        main(["audit", str(bundle)])
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_terminal_of_few_letters_gets_the_others_by_number(tmp_path):
    """The command line in a process of its own, as a user starts it."""
    bundle = make_bundle(tmp_path / "bundle", files={"configs/own.yaml": "é: ü\n"})
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "tanq_monai", "audit", str(bundle)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 1
    assert rb"configs/own.yaml: 1: \xe9: \xfc" in done.stdout
    assert len(done.stderr.splitlines()) == 1
