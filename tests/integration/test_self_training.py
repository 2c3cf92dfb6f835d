"""Self-training as a user runs it: killed, continued, refused."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from bundle_workflow import BUNDLES

TRAINING = {
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "batch_size": 2,
    "num_processes": 0,
    "plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
    "device": "cpu",
}


def started(phantom, run, **choices):
    """The process of one run of self_training.yaml, with all that it starts in a group of its own."""
    choices = {
        "dataset_dir": phantom / "training_source",  # ceT1 stands in for the translations
        "target_dir": phantom / "training_target",
        "truth_dir": phantom / "withheld_labels" / "training_target",
        "output_dir": run,
        "rounds": 1,
        "configurations": {"2d": {}},
        "folds": ["all"],
        "training": TRAINING,
        "refinement": {"refine": False},
        "use_feedback": True,
        "stop_agreement": 2,
    } | choices
    words = [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    files = ["--config_file", "configs/self_training.yaml", "--meta_file", "configs/metadata.json"]
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", *files, *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    folder = BUNDLES / "vs_cochlea_seg"
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def is_done(step):
    return step.exists() and json.loads(step.read_text())["done"]


@pytest.mark.integration
@pytest.mark.timeout(1200)
def test_a_killed_run_goes_on_without_repeating_and_refuses_other_choices(tiny_phantom, tmp_path):
    run, steps = tmp_path / "run", tmp_path / "run" / "steps"
    process = started(tiny_phantom, run)
    while not is_done(steps / "round_0_segment.json"):
        assert process.poll() is None, process.stderr.read()[-2000:]
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in run.glob("round_0/**/*.*") if path.is_file()}

    process = started(tiny_phantom, run)
    errors = process.communicate(timeout=900)[1]
    assert process.returncode == 0, errors[-2000:]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    table = pd.read_csv(run / "rounds.csv")
    assert list(zip(table["round"], table["structure"], strict=True)) == [
        (0, "VS"), (0, "cochlea"), (1, "VS"), (1, "cochlea"),
    ]  # fmt: skip
    assert table["pseudo_labels"].tolist() == [0, 0, 4, 4]
    assert table["dice"].between(0, 1).all()
    assert len(pd.read_csv(run / "round_1" / "feedback" / "weights.csv")) == 4
    ensemble = json.loads((run / "models" / "ensemble.json").read_text())
    assert ensemble["groups"] == [["../round_1/models/2d_fold_all"]]
    trained = json.loads((run / "round_1/nnUNet_raw/Dataset001_VSCochlea/dataset.json").read_text())
    assert trained["numTraining"] == 8
    assert trained["labels"]["ignore"] == 3

    rows = (run / "rounds.csv").read_bytes()
    process = started(tiny_phantom, run, training=TRAINING | {"max_epochs": 2})
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    told = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(told) == 1
    assert "was made with other settings; choose another" in told[0]
    assert (run / "rounds.csv").read_bytes() == rows
