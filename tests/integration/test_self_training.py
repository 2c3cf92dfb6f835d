"""Self-training as a user runs it: interrupted, continued, refused. Its commands run in this process."""

import json

import pandas as pd
import pytest
from typed import StepsHere, mistakes, run_bundle

pytestmark = pytest.mark.slow
TRAINING = {
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "batch_size": 2,
    "num_processes": 0,
    "plans_override": {"patch_size": [88, 88], "features_per_stage": [4, 8, 8]},
    "device": "cpu",
}


def train(phantom, run, **choices):
    """One run of self_training.yaml."""
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
        "stop_agreement": 2,
    } | choices
    return run_bundle("vs_cochlea_seg", "self_training", **choices)


def test_an_interrupted_run_goes_on_without_repeating_and_refuses_other_choices(tiny_phantom, tmp_path, monkeypatch):
    run, steps, models = tmp_path / "run", StepsHere(monkeypatch), ["train", "find_best", "ensemble"]
    steps.interrupt_at = "refine"
    with pytest.raises(KeyboardInterrupt):
        train(tiny_phantom, run)
    assert steps.begun == [*models, "refine"]
    before = {path: path.stat().st_mtime_ns for path in run.glob("round_0/**/*.*") if path.is_file()}

    steps.interrupt_at = None
    done = train(tiny_phantom, run)
    assert done.returncode == 0, done.stderr
    assert steps.begun == [*models, "refine", "refine", *models]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    table = pd.read_csv(run / "rounds.csv")
    assert list(zip(table["round"], table["structure"], strict=True)) == [
        (0, "VS"), (0, "cochlea"), (1, "VS"), (1, "cochlea"),
    ]  # fmt: skip
    assert table["pseudo_labels"].tolist() == [0, 0, 4, 4]
    assert table["dice"].between(0, 1).all()
    ensemble = json.loads((run / "models" / "ensemble.json").read_text())
    assert ensemble["groups"] == [["../round_1/models/2d_fold_all"]]
    trained = json.loads((run / "round_1/nnUNet_raw/Dataset001_VSCochlea/dataset.json").read_text())
    assert trained["numTraining"] == 8
    assert trained["labels"]["ignore"] == 3

    rows = (run / "rounds.csv").read_bytes()
    (told,) = mistakes(train(tiny_phantom, run, training=TRAINING | {"max_epochs": 2}))
    assert "was made with other settings; choose another" in told
    assert (run / "rounds.csv").read_bytes() == rows
