"""How long a translator's training waits for its first batch, and what more scans cost."""

import os
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.measure import PeakMemory, in_own_process, machine, report, tell
from tanq_monai.phantom import write_dataset
from tanq_monai.scans.folder import find_images, find_labelled
from tanq_monai.translation.batches import Batches
from tanq_monai.translation.slices import SliceSize, SliceStore, UnpairedSlices

SECONDS_BAR = 60.0
MEMORY_BAR = 1.1  # of many scans, over that of few


def first_batch(scans: int = 210, few: int = 10, batches: int = 3, seed: int = 0) -> None:
    """From two folders of full-size scans to a batch of 4; memory with ``scans`` of each domain, and with ``few``.

    The scans are one virtual patient's under many names: every one is read, cut and kept by itself.

    Args:
        scans: of each domain; crossMoDA 2022 has 210.
        few: of each domain, to compare the memory with.
        batches: read before the memory is compared.
        seed: of the patient.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(folder, 1, 1, 0, size="full", seed=seed)
        works = {number: partial(_read, _linked(Path(folder), number), batches) for number in (few, scans)}
        found = {number: in_own_process(work) for number, work in works.items()}
    report(f"first batch of {scans} + {scans} scans", found[scans][0], "s", SECONDS_BAR)
    report(f"memory after {batches} batches", found[scans][1], "GB")
    ratio = found[scans][1] / found[few][1]
    report(f"memory of {scans} + {scans} scans over that of {few} + {few}", ratio, bar=MEMORY_BAR)
    tell(f"n = 1, seed {seed}, {machine()}")


def _linked(folder: Path, number: int) -> Path:
    """A folder of ``number`` cases of each domain, all of them the one patient of ``folder``."""
    linked = folder / f"{number} scans"
    for domain in ("training_source", "training_target"):
        (linked / domain).mkdir(parents=True)
        for file in (folder / domain).iterdir():
            suffix = file.name.rpartition("_")[2]
            for case in range(number):
                os.link(file, linked / domain / f"crossmoda2021_ldn_{case}_{suffix}")
    return linked


def _read(folder: Path, batches: int) -> tuple[float, float]:
    """Seconds until the first batch of 4, and the highest memory in GB until the last of ``batches``."""
    start = time.perf_counter()
    with PeakMemory() as memory:
        source = SliceStore(_cases(folder, "training_source"), SliceSize(), folder / "slices")
        target = SliceStore(_cases(folder, "training_target"), SliceSize(), folder / "slices")
        source.require_structures()
        dataset = UnpairedSlices(source, target, crop=256)
        steps = iter(Batches(dataset, batch_size=4))
        seconds = 0.0
        for _ in range(batches):
            for place in next(steps):
                dataset[place]
            seconds = seconds or time.perf_counter() - start
    return seconds, memory.highest


def _cases(folder: Path, domain: str) -> list[dict[str, str]]:
    find = find_labelled if domain == "training_source" else find_images
    return find(folder / domain).cases
