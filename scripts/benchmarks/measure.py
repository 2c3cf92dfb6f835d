"""Seconds and memory, and how they are told."""

import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")
SCRIPTS = Path(__file__).parents[1]


def alternate(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each work, run in turn after two warm-up rounds."""
    seconds: list[list[float]] = [[] for _ in works]
    for round_number in range(repeats + 2):
        for work, record in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            if round_number >= 2:
                record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in seconds]


def alternate_trees(runs: Sequence[tuple[Path, Sequence[str]]], repeats: int) -> list[list[dict[str, float]]]:
    """What commands find that each take the package from a checkout of their own, run in turn.

    Args:
        runs: checkout and arguments of Python of each; the modules of this folder are there (``-m benchmarks.x``). The
            last line that a command prints is a JSON object of numbers.
        repeats: rounds. What a command does first, and more slowly, is for it to leave out.

    Returns:
        For each of ``runs`` what it found, round by round.

    Raises:
        RuntimeError: when a command fails, or takes the package from elsewhere.
    """
    for tree, _ in runs:
        origin = _last_line(tree.resolve(), ["-c", "import tanq_monai; print(tanq_monai.__file__)"])
        if not Path(origin).is_relative_to(tree.resolve()):
            raise RuntimeError(f"{tree} holds no package, {origin} was taken")
    found: list[list[dict[str, float]]] = [[] for _ in runs]
    for _ in range(repeats):
        for (tree, arguments), record in zip(runs, found, strict=True):
            record.append(json.loads(_last_line(tree.resolve(), arguments)))
    return found


def in_own_process(work: Callable[[], Result]) -> Result:
    """Result of a work whose memory nothing else shares."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work).result()


def run_command(
    command: Sequence[str], folder: Path, threads: int, good: Collection[int] = (0,)
) -> tuple[float, float]:
    """Seconds and peak resident memory (GB of 10^9 bytes) of a process, imports included.

    Raises:
        RuntimeError: when its exit code is none of the ``good`` ones.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    start, highest = time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:  # getrusage's peak would begin with the memory of this very process
        highest = max(highest, _peak_of(process.pid))
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    if process.returncode not in good:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return seconds, highest


class PeakMemory:
    """The memory in use (resident, Linux) while the block runs, read every few milliseconds.

    Attributes:
        before: in GB of 10^9 bytes.
        highest: in GB, the process and all it has loaded included.
    """

    def __enter__(self) -> "PeakMemory":
        self.before = self.highest = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self.highest = max(self.highest, resident())


def resident() -> float:
    """GB of 10^9 bytes that this process has in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def largest_deviation_from_a_line(x: Sequence[float], y: Sequence[float]) -> float:
    """Of a least-squares fit, as a share of the fitted value."""
    line = np.polyval(np.polyfit(x, y, 1), x)
    return float(np.max(np.abs(np.asarray(y) / line - 1)))


def report(what: str, value: float, unit: str = "", bar: float | None = None, at_least: bool = False) -> None:
    """One line; with a bar also whether it holds."""
    verdict = "" if bar is None else f", bar {bar:g}: {_verdict(value >= bar if at_least else value <= bar)}"
    tell(f"{what}: {value:.3g}{unit and ' '}{unit}{verdict}")


def machine() -> str:
    """Kind, cores and date."""
    return f"{platform.processor() or platform.machine()} with {os.cpu_count()} cores, {date.today()}"


def tell(line: str) -> None:
    """To the standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _last_line(tree: Path, arguments: Sequence[str]) -> str:
    """Of what Python prints when it takes the package from ``tree``."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tree), str(SCRIPTS)])}
    command = [sys.executable, *arguments]  # whose own folder comes before all others
    process = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(arguments)}\n{process.stderr}")
    return process.stdout.splitlines()[-1]


def _verdict(holds: bool) -> str:
    return "holds" if holds else "missed"


def _peak_of(pid: int) -> float:
    """Peak resident memory of a running process since it began its program; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM")), 0.0)
