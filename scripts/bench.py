"""Benchmarks, each a ratio of two things measured alternately in one run.

python scripts/bench.py generator        TANQ generator against its instance-norm twin, one 256 x 256 slice
"""

import copy
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial

import fire
import torch

from tanq_monai.networks import TanqGenerator

TWIN_BAR = 1.2


def generator(threads: int = 2, repeats: int = 15, seed: int = 0) -> None:
    """Forward time of the TANQ generator over that of the same convolutions with instance norm (bar: 1.2).

    Each in its faster memory layout: channels last suits the region norms, not the twin.

    Args:
        threads: of torch.
        repeats: of each, alternating; the medians are compared.
        seed: of weights and slice.
    """
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
    verdict = "holds" if ratio <= TWIN_BAR else "missed"
    _print(f"ratio of the faster layouts {ratio:.3f}, bar {TWIN_BAR}: {verdict}")
    machine = platform.processor() or platform.machine()
    _print(f"n = {repeats} each, seed {seed}, {threads} threads, {machine}, torch {torch.__version__}, {date.today()}")


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


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    fire.Fire({"generator": generator})
