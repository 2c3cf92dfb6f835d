"""What a run of a bundle leaves in its folder of results: `provenance.json`."""

import hashlib
import json

import numpy as np
import pytest
from bundle_workflow import workflow
from configs import RUNS
from configs import read as config_of
from files import structures, write_nifti
from typed import run_bundle


def read_json(path):
    return json.loads(path.read_text())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# The views' data set says of every file what it was made from, and a choice among trainings lies beside them.
OF_THEIR_OWN = {"tanq_translation/multi_view", "vs_cochlea_seg/find_best"}


@pytest.mark.parametrize("name", sorted({name for name in RUNS if "run" in config_of(name)} - OF_THEIR_OWN))
def test_every_run_of_a_bundle_leaves_one(name):
    assert sum("$choices.leave_provenance(" in str(line) for line in config_of(name)["run"]) == 1


def test_a_run_of_a_bundle_says_by_what_it_was_made_and_of_which_files(tmp_path):
    label = write_nifti(tmp_path / "labels" / "a_Label.nii.gz", structures().astype(np.uint8))
    truth = write_nifti(tmp_path / "truth" / "a_Label.nii.gz", structures().astype(np.uint8))
    folders = {"prediction_dir": tmp_path / "labels", "truth_dir": tmp_path / "truth", "output_dir": tmp_path / "out"}
    done = run_bundle("vs_cochlea_seg", "evaluate", **folders, seed=3)
    assert done.returncode == 0, done.stderr
    told = read_json(tmp_path / "out" / "provenance.json")
    assert told["command"].startswith("python -m monai.bundle run --config_file configs/evaluate.yaml")
    assert f"--truth_dir {tmp_path / 'truth'}" in told["command"]
    assert told["seed"] == told["choices"]["seed"] == 3
    assert told["choices"]["against_dir"] is None  # what nobody chose
    assert told["choices"]["output_dir"] == str(tmp_path / "out")
    assert told["inputs"] == {"labels/a_Label.nii.gz": sha256(label), "truth/a_Label.nii.gz": sha256(truth)}


def test_an_embedded_bundle_is_no_command_line(tmp_path):
    for folder in ("labels", "truth"):
        write_nifti(tmp_path / folder / "a_Label.nii.gz", structures().astype(np.uint8))
    folders = {"prediction_dir": tmp_path / "labels", "truth_dir": tmp_path / "truth", "output_dir": tmp_path / "out"}
    workflow("vs_cochlea_seg", "evaluate", **{name: str(folder) for name, folder in folders.items()}).run()
    assert read_json(tmp_path / "out" / "provenance.json")["command"] == "ConfigWorkflow"
