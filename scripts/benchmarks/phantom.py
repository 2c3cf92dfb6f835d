"""Virtual patients: seconds, memory, and what a second core gains."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

from benchmarks.measure import PeakMemory, in_own_process, machine, report, tell
from tanq_monai.phantom import write_dataset

FULL_SECONDS_BAR = 20.0
FULL_GB_BAR = 3.0
TINY_SECONDS_BAR = 1.0
SCALING_BAR = 0.8  # of the number of workers


def phantom(workers: int = 2, repeats: int = 3, scaling_size: str = "crop", seed: int = 0) -> None:
    """Seconds and peak memory of a ceT1 and an hrT2 scan, drawn and written to disk; speed with more workers.

    Both are London's (of two patients, as in a data set), whose ceT1 has the most voxels: 512 x 512 x 120 or 160.
    Each size runs in a process of its own, whose first patient, of size tiny, is not counted: it compiles the kernels.

    Args:
        workers: one scan each; compared with one worker on four patients.
        repeats: other patients; medians.
        scaling_size: of the patients that the numbers of workers are compared on.
        seed: of the first patient.
    """
    for size, bar in (("full", FULL_SECONDS_BAR), ("tiny", TINY_SECONDS_BAR)):
        works = [partial(_write_patients, 1, size, seed + number, workers) for number in range(repeats)]
        times, gigabytes = in_own_process(partial(_measure, works))
        report(f"{size}, both contrasts", statistics.median(times), "s", bar)
        report(f"{size}, peak memory", gigabytes, "GB", FULL_GB_BAR if size == "full" else None)
    works = [partial(_write_patients, 4, scaling_size, seed, number) for _ in range(repeats) for number in (1, workers)]
    times, _ = in_own_process(partial(_measure, works))
    ratio = statistics.median(times[::2]) / statistics.median(times[1::2])
    report(
        f"{scaling_size}, speed of {workers} workers over that of 1", ratio, bar=SCALING_BAR * workers, at_least=True
    )
    tell(f"n = {repeats} each, seed {seed}, {workers} workers, {machine()}")


def _write_patients(number: int, size: str, seed: int, workers: int) -> None:
    """``number`` ceT1 and as many hrT2, written and thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(folder, number, number, 0, size=size, seed=seed, workers=workers)


def _measure(works: list[Callable[[], None]]) -> tuple[list[float], float]:
    """Seconds of each work, and the highest memory of the process that did them, in GB."""
    _write_patients(1, "tiny", 0, 1)
    seconds = []
    with PeakMemory() as memory:
        for work in works:
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return seconds, memory.highest
