"""Seconds and memory of every stage for ten, a hundred and a thousand scans: what grows with them, what does not."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import PeakMemory, in_own_process, machine, run_command, tell
from tanq_monai.phantom import write_dataset
from tanq_monai.scans.folder import find_labelled
from tanq_monai.steps import SEGMENTER, TRANSLATOR, bundle_step
from tanq_monai.translation.slices import SliceSize, SliceStore

Stage = Callable[[], tuple[float, float]]  # seconds and GB of its process


def scaling(
    scans: Sequence[int] = (10, 100, 1000),
    size: str = "tiny",
    seed: int = 0,
    threads: int = 1,
    ensemble_dir: str | None = None,
) -> None:
    """A line for every stage and number of scans: each stage in a process of its own, imports included.

    The scans are one virtual patient's, linked under many names: every one is read and worked on by itself.

    Args:
        scans: how many of each domain, e.g. '[10, 100]'.
        size: of the virtual patient.
        seed: of the patient.
        threads: that compute.
        ensemble_dir: the segmenter. Default: the shipped one.
    """
    choices = {} if ensemble_dir is None else {"ensemble_dir": str(Path(ensemble_dir).resolve())}
    with tempfile.TemporaryDirectory() as name:
        patient = Path(name) / "patient"
        write_dataset(patient, 1, 1, 0, size=size, seed=seed)
        for number in scans:
            folder = _linked(patient, Path(name) / f"{number} scans", number)
            for stage, work in _stages(folder, threads, choices).items():
                seconds, memory = work()
                tell(f"{number:5} scans  {stage:12} {seconds:8.1f} s {seconds / number:8.3f} s/scan {memory:6.2f} GB")
    tell(f"n = 1, size {size}, seed {seed}, {threads} threads, models {ensemble_dir or 'as shipped'}, {machine()}")


def _stages(folder: Path, threads: int, choices: dict[str, Any]) -> dict[str, Stage]:
    source, target, truth, labels = (
        folder / part for part in ("data/training_source", "data/training_target", "truth", "labels")
    )
    command = partial(_command, folder, threads)
    signal = {"dataset_dir": source, "output_dir": folder / "raw", "used_views": ["signal"]}
    segmented = {"dataset_dir": target, "output_dir": labels, "threads": threads}
    return {
        "check": partial(command, "check", "--dataset-dir", folder / "data"),
        "slice cache": partial(in_own_process, partial(_cache_slices, source, folder / "slices")),
        "multi-view": partial(_bundle, threads, TRANSLATOR, "multi_view", signal),
        "inference": partial(_bundle, threads, SEGMENTER, "ensemble", segmented | choices),
        "evaluation": partial(command, "evaluate", "--pred", labels, "--truth", truth),
        "report": partial(command, "report", "--scans", target, "--pred", labels, "--output", folder / "report.html"),
    }


def _linked(patient: Path, folder: Path, number: int) -> Path:
    """As crossMoDA has it, and the labels of the target domain in ``truth``."""
    places = {
        "training_source": folder / "data" / "training_source",
        "training_target": folder / "data" / "training_target",
        "withheld_labels/training_target": folder / "truth",
    }
    for part, place in places.items():
        place.mkdir(parents=True)
        for file in (patient / part).glob("*.nii.gz"):
            suffix = file.name.rpartition("_")[2]
            for case in range(number):
                os.symlink(file, place / f"crossmoda2021_ldn_{case}_{suffix}")
    return folder


def _command(folder: Path, threads: int, *words: object) -> tuple[float, float]:
    good = (0, 1) if words[0] == "check" else (0,)  # it tells that the scans are one and the same
    return run_command([sys.executable, "-m", "tanq_monai", *map(str, words)], folder, threads, good)


def _bundle(threads: int, bundle: str, config: str, choices: dict[str, Any]) -> tuple[float, float]:
    step = bundle_step(config, bundle, config, choices)
    return run_command([sys.executable, *step.arguments], step.folder or Path(), threads)


def _cache_slices(source: Path, folder: Path) -> tuple[float, float]:
    begin = time.perf_counter()
    with PeakMemory() as memory:
        store = SliceStore(find_labelled(source).cases, SliceSize(), folder)
        for index in range(len(store)):
            store[index]
    return time.perf_counter() - begin, memory.highest
