"""What an iteration of the segmenter's training takes: load, augment, forward, loss, backward, clip, optimizer."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import machine, report, tell
from tanq_monai.phantom import write_dataset
from tanq_monai.precision import cpu_has_bfloat16

SCRIPTS = Path(__file__).parents[1]
BAR, AMX_BAR = 0.9, 0.45
WIDE = [32, 64, 128, 256, 512, 512, 512]  # nnU-Net's features for 320 x 320
# Size of the phantom, scans, iterations per epoch, choices of train.yaml beside those of the trial of that name.
NETWORKS: dict[str, tuple[str, int, int, Mapping[str, Any]]] = {
    "tiny": ("tiny", 8, 60, {}),
    "small": ("small", 8, 20, {}),
    "wide": ("full", 2, 2, {"plans_override": {"patch_size": [320, 320], "features_per_stage": WIDE}}),
}


def segmenter_step(
    against: str | None = None,
    networks: Sequence[str] = tuple(NETWORKS),
    repeats: int = 5,
    threads: int = 2,
    seed: int = 0,
    amp: bool | str = "auto",
) -> None:
    """Seconds of an iteration in 2D, through train.yaml, each training in a process of its own.

    Args:
        against: another checkout, whose epochs alternate with those of this one.
        networks: the trial's at its sizes (tiny, small); nnU-Net's own width (wide), batch 8.
        repeats: epochs of each after a first; medians of their means.
        threads: of torch.
        seed: of patients and trainings.
        amp: bfloat16.
    """
    here = SCRIPTS.parent
    trees = [here] if against is None else [here, Path(against).resolve()]
    bar = AMX_BAR if torch.cpu.get_capabilities().get("amx_bf16") and amp in ("auto", True) else BAR
    for name in networks:
        with tempfile.TemporaryDirectory() as folder:
            seconds = _alternate(trees, name, Path(folder), repeats, threads, {"seed": seed, "amp": amp})
        report(f"segmenter, {name}, one iteration", seconds[0], "s")
        if against is not None:
            report(f"segmenter, {name}, one iteration there", seconds[1], "s")
            report(f"segmenter, {name}, over that", seconds[0] / seconds[1], bar=bar)
    tell(f"medians of {repeats} epochs after a first, in turn, seed {seed}; {threads} threads, {machine()}")
    tell(f"torch {torch.__version__}; fast bfloat16: {cpu_has_bfloat16()}, amp {amp}")


def _alternate(
    trees: Sequence[Path], name: str, folder: Path, repeats: int, threads: int, choices: Mapping[str, Any]
) -> list[float]:
    """Median seconds of an iteration in each tree."""
    size, scans, length, own = NETWORKS[name]
    write_dataset(folder / "data", 0, scans, 0, size=size, seed=choices["seed"])
    images, labels = (folder / "data" / part for part in ("training_target", "withheld_labels/training_target"))
    common = {"dataset_dir": str(images), "label_dir": str(labels), "configuration": "2d", "device": "cpu"}
    common |= {"size": name, "num_processes": 0, "max_epochs": repeats + 1, "iterations_per_epoch": length}
    common |= {**choices, **own}
    trainings = []
    for number, tree in enumerate(trees):
        file = folder / f"{number}.json"
        file.write_text(json.dumps(common | {"output_dir": str(folder / f"run_{number}")}))
        trainings.append(_start(tree, file, threads))
    seconds: list[list[float]] = [[] for _ in trees]
    for _ in range(repeats + 1):
        for training, record in zip(trainings, seconds, strict=True):
            record.append(_epoch(training))
    codes = [training.wait() for training in trainings]
    if any(codes):
        raise RuntimeError(f"exit codes {codes}")
    return [statistics.median(record[1:]) for record in seconds]


def _start(tree: Path, choices_file: Path, threads: int) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-W", "ignore", str(SCRIPTS / "benchmarks" / "train_epochs.py"), str(choices_file)]
    return subprocess.Popen(
        command,
        cwd=choices_file.parent,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _epoch(training: "subprocess.Popen[str]") -> float:
    """Seconds per iteration of its next epoch."""
    assert training.stdin is not None
    assert training.stdout is not None
    training.stdin.write("go\n")
    training.stdin.flush()
    for line in training.stdout:
        if line.startswith("iteration "):
            return float(line.split()[1])
    raise RuntimeError("a training ended before its time")
