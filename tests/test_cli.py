"""The command line as a user meets it: exit codes and one-line mistakes."""

import inspect

import pytest
from typed import mistakes, run_command

from tanq_monai import cli
from tanq_monai.choices.table import CHOICES, OPTIONS
from tanq_monai.deploy.runtime import run


def test_the_phantom_command_writes_the_layout_of_crossmoda_2022(tmp_path):
    counts = ("--num-source", 1, "--num-target", 1, "--num-test", 1, "--seed", 3)
    result = run_command("phantom", "--output-dir", tmp_path / "D", "--size", "tiny", *counts)
    assert result.returncode == 0, result.stderr
    files = sorted(str(path.relative_to(tmp_path / "D")) for path in (tmp_path / "D").rglob("*.nii.gz"))
    assert files == [
        "training_source/crossmoda2021_ldn_1_Label.nii.gz",
        "training_source/crossmoda2021_ldn_1_ceT1.nii.gz",
        "training_target/crossmoda2021_ldn_106_hrT2.nii.gz",
        "validation/crossmoda2021_ldn_211_hrT2.nii.gz",
        "withheld_labels/training_target/crossmoda2021_ldn_106_Label.nii.gz",
        "withheld_labels/validation/crossmoda2021_ldn_211_Label.nii.gz",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("demo", "--size", "huge"), "--size huge: is not a size of the demo; choose one of tiny, small"),
        (
            ("phantom", "--output-dir", "{file}", "--seed", "abc"),
            "--seed abc: is not a whole number from 0 to 4294967295",
        ),
        (("phantom", "--output-dir", "{file}"), "is a file; give the name of a folder"),
        (("demo", "--output-dir", "{file}"), "choose another output folder"),
        (
            ("phantom", "--output-dir", "{file}_new", "--sise", "tiny"),
            "--sise: is no option of phantom; did you mean --size?",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_exit_code_1(tmp_path, arguments, told):
    file = tmp_path / "file"
    file.touch()
    result = run_command(*(word.format(file=file) for word in arguments))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert told in result.stderr


def test_every_option_of_every_command_is_in_the_table():
    commands = [*cli.COMMANDS.values(), run]
    words = {name for command in commands for name in inspect.signature(command).parameters}
    assert words <= CHOICES.keys() | OPTIONS.keys()
    assert OPTIONS.keys() <= words
    assert not OPTIONS.keys() & CHOICES.keys()


@pytest.mark.parametrize("folder", ["1.10", "[new]", "2024", "a,b", "case#1", "{x}", "false"])
def test_a_folder_is_called_as_it_was_typed(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    counts = ("--num-source", 0, "--num-target", 0, "--num-test", 1)
    assert run_command("phantom", "--output-dir", folder, *counts).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--output-dir", "None"), "--output-dir None: is nothing"),
        (("--output-dir", "d", "--num-test", "-1"), "--num-test -1: is not a whole number from 0 to 100000"),
        (("--output-dir", "d", "--num-test", "2.5"), "--num-test 2.5: is not a whole number"),
        (("--output-dir", "d", "--workers", "0"), "--workers 0: is not a whole number from 1 to 1024"),
        (("--output-dir", "d", "--seed", "-1"), "--seed -1: is not a whole number from 0 to 4294967295"),
        (("--output-dir", "d", "--intra-extrameatal", "maybe"), "--intra-extrameatal maybe: is not true or false"),
    ],
)
def test_a_word_that_an_option_does_not_allow_is_told_and_nothing_is_written(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (line,) = mistakes(run_command("phantom", *words))
    assert line.startswith(f"error: {told}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--intra-extrameatal", "no"), False),
        (("--intra-extrameatal=off",), False),
        (("--nointra-extrameatal",), False),
        (("--intra-extrameatal",), True),
        (("--intra-extrameatal", "Yes"), True),
    ],
)
def test_a_flag_is_what_its_word_says(tmp_path, monkeypatch, words, meant):
    given = {}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tanq_monai.phantom.write_dataset", lambda folder, **choices: given.update(choices))
    assert run_command("phantom", "--output-dir", "d", "--workers", "null", *words).returncode == 0
    assert (given["intra_extrameatal"], given["workers"]) == (meant, None)


@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (("evaluate",), "evaluate: needs --pred PRED; see tanq-monai evaluate --help"),
        (("evaluate", "PRED"), "evaluate: needs --truth TRUTH; see tanq-monai evaluate --help"),
        (("segment", "-o", "out"), "segment: needs SCAN...; see tanq-monai segment --help"),
        (("segment", "scan.nii.gz", "--json"), "segment: needs --output-dir OUTPUT-DIR; see tanq-monai segment --help"),
        (("segmnt",), "segmnt: is no command; did you mean segment?"),
        (("report", "-t", "x"), "-t: may be --title or --truth; write it in full"),
        (("report", "-x", "x"), "-x: is no option of report; write it in full"),
    ],
)
def test_what_a_command_needs_and_what_it_is_called_is_told(words, needs):
    assert mistakes(run_command(*words)) == [f"error: {needs}"]


@pytest.mark.parametrize("words", [("--pred", "p", "--truth"), ("--truth", "--pred", "p")])
def test_an_option_without_its_value_is_told(words):
    done = run_command("evaluate", *words)
    assert mistakes(done) == ["error: --truth: has no value; write --truth and its value, or leave it out"]
