"""`provenance.json`: what every command leaves in its folder of results."""

import ast
import hashlib
import inspect
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from files import structures, write_nifti
from typed import run_command

import tanq_monai
from tanq_monai import cli
from tanq_monai.provenance import digests_of, write_provenance


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(folder):
    return json.loads((folder / "provenance.json").read_text())


@pytest.mark.parametrize(
    "name", [n for n, c in cli.COMMANDS.items() if n != "fetch" and "output_dir" in inspect.signature(c).parameters]
)
def test_a_command_with_a_folder_of_results_leaves_one_there(name):
    function = ast.parse(inspect.getsource(cli.COMMANDS[name]).strip()).body[0]
    calls = [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Call)]
    assert any(call.startswith(f"leave_provenance({function.name}, locals()") for call in calls)


def test_an_evaluation_says_by_what_it_was_made_and_of_which_files(tmp_path):
    label = write_nifti(tmp_path / "labels" / "a_Label.nii.gz", structures().astype(np.uint8))
    truth = write_nifti(tmp_path / "truth" / "a_Label.nii.gz", structures().astype(np.uint8))
    words = ("--pred", tmp_path / "labels", "--truth", tmp_path / "truth", "--seed", 3, "-o", tmp_path / "out")
    assert run_command("evaluate", *words).returncode == 0
    told = read(tmp_path / "out")
    assert told["command"] == "evaluate"
    assert told["seed"] == told["choices"]["seed"] == 3
    assert told["choices"]["assd"] == "directed"  # what nobody chose
    assert told["inputs"] == {"labels/a_Label.nii.gz": sha256(label), "truth/a_Label.nii.gz": sha256(truth)}
    assert told["versions"]["tanq-monai"] == tanq_monai.__version__
    assert told["versions"]["torch"] == version("torch")
    assert {*told["machine"]} == {"system", "processor", "cores"}


def test_folders_of_one_name_are_told_apart_by_what_they_lie_in(tmp_path):
    for folder in ("predicted", "true"):
        (tmp_path / folder / "labels").mkdir(parents=True)
        (tmp_path / folder / "labels" / "a").write_text(folder)
    places = [tmp_path / folder / "labels" for folder in ("predicted", "true", "true")]
    assert digests_of(places, leave_out=tmp_path / "out") == {
        f"{folder}/labels/a": hashlib.sha256(folder.encode()).hexdigest() for folder in ("predicted", "true")
    }


def test_results_among_the_inputs_their_provenance_and_hidden_files_are_no_inputs(tmp_path):
    for name in ("a", "deep/b", "deep/provenance.json", ".hidden", ".git/c", "out/d"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    assert digests_of([tmp_path / "in"], leave_out=tmp_path / "in" / "out") == {
        "in/a": hashlib.sha256(b"a").hexdigest(),
        "in/deep/b": hashlib.sha256(b"deep/b").hexdigest(),
    }


def test_choices_of_any_kind_are_written_and_an_earlier_run_is_replaced(tmp_path):
    write_provenance(tmp_path, "first", {}, {})
    write_provenance(tmp_path, "second", {"where": Path("x"), "names": ("a", 1), "map": {"VS": 1}, "none": None}, [])
    told = read(tmp_path)
    assert told["command"] == "second"
    assert told["choices"] == {"where": "x", "names": ["a", 1], "map": {"VS": 1}, "none": None}
    assert (told["seed"], told["inputs"]) == (None, {})
