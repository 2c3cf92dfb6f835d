"""Benchmarks; of two things that are compared, both are measured alternately in one run.

python scripts/bench.py generator        TANQ generator against its instance-norm twin, one 256 x 256 slice
python scripts/bench.py phantom          virtual patients: seconds, memory, and what a second core gains
"""

import copy
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial

import fire

from tanq_monai.phantom import write_dataset

TWIN_BAR = 1.2
FULL_SECONDS_BAR = 20.0
FULL_GB_BAR = 3.0
TINY_SECONDS_BAR = 1.0
SCALING_BAR = 0.8  # of the number of workers


def generator(threads: int = 2, repeats: int = 15, seed: int = 0) -> None:
    """Forward time of the TANQ generator over that of the same convolutions with instance norm (bar: 1.2).

    Each in its faster memory layout: channels last suits the region norms, not the twin.

    Args:
        threads: of torch.
        repeats: of each, alternating; the medians are compared.
        seed: of weights and slice.
    """
    import torch  # here: the memory of the phantom is measured without it

    from tanq_monai.networks import TanqGenerator

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    networks = {"TANQ": TanqGenerator(), "twin": TanqGenerator(normalization="instance")}
    slices = torch.rand(1, 2, 256, 256) * 2 - 1
    slices[:, 1] = 0
    slices[:, 1, 120:150, 60:92] = 1  # a VS of 12 x 13 mm
    slices[:, 1, 118:130, 40:54] = slices[:, 1, 118:130, 202:216] = 2  # two cochleae of 5 x 6 mm
    layouts = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
    works = {
        (name, layout): partial(copy.deepcopy(network).eval().to(memory_format=memory_format), slices)
        for name, network in networks.items()
        for layout, memory_format in layouts.items()
    }
    with torch.inference_mode():
        seconds = dict(zip(works, _alternate(list(works.values()), repeats), strict=True))
    for (name, layout), value in seconds.items():
        _print(f"{name}, {layout}: {value:.3f} s")
    ratio = min(seconds["TANQ", layout] for layout in layouts) / min(seconds["twin", layout] for layout in layouts)
    _print(f"ratio of the faster layouts {ratio:.3f}, bar {TWIN_BAR}: {_verdict(ratio <= TWIN_BAR)}")
    _print(f"n = {repeats} each, seed {seed}, {threads} threads, {_machine()}, torch {torch.__version__}")


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
        times, gigabytes = _in_own_process(works)
        seconds = statistics.median(times)
        _print(f"{size}, both contrasts: {seconds:.2f} s, bar {bar:g}: {_verdict(seconds < bar)}")
        verdict = f", bar {FULL_GB_BAR:g}: {_verdict(gigabytes < FULL_GB_BAR)}" if size == "full" else ""
        _print(f"{size}, peak memory: {gigabytes:.2f} GB{verdict}")
    works = [partial(_write_patients, 4, scaling_size, seed, number) for _ in range(repeats) for number in (1, workers)]
    times, _ = _in_own_process(works)
    ratio, bar = statistics.median(times[::2]) / statistics.median(times[1::2]), SCALING_BAR * workers
    _print(f"{scaling_size}, {workers} workers: {ratio:.2f} times as fast as 1, bar {bar:g}: {_verdict(ratio >= bar)}")
    _print(f"n = {repeats} each, seed {seed}, {workers} workers, {_machine()}")


def _write_patients(number: int, size: str, seed: int, workers: int) -> None:
    """``number`` ceT1 and as many hrT2, written and thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(folder, number, number, 0, size=size, seed=seed, workers=workers)


def _in_own_process(works: list[Callable[[], None]]) -> tuple[list[float], float]:
    """Seconds of each work, and the highest memory of the process that did them, in GB of 10^9 bytes."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, works).result()


def _measure(works: list[Callable[[], None]]) -> tuple[list[float], float]:
    _write_patients(1, "tiny", 0, 1)
    seconds = []
    for work in works:
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; bytes on macOS
    return seconds, peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def _alternate(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each work, run in turn after two warm-up rounds."""
    seconds: list[list[float]] = [[] for _ in works]
    for round_number in range(repeats + 2):
        for work, record in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            if round_number >= 2:
                record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in seconds]


def _verdict(holds: bool) -> str:
    return "holds" if holds else "missed"


def _machine() -> str:
    return f"{platform.processor() or platform.machine()} with {os.cpu_count()} cores, {date.today()}"


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    fire.Fire({"generator": generator, "phantom": phantom})
