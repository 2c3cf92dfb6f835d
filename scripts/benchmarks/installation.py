"""The installation without torch: from a Python and a package index to the label of a DICOM series."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import machine, report, tell
from tanq_monai.deploy.app.virtual_study import write_virtual_series
from tanq_monai.phantom import write_dataset

SECONDS_BAR, MB_BAR, START_BAR = 60.0, 250.0, 1.5
CLONE = Path(__file__).parents[2]
Seconds = tuple[float, float]  # on the clock, and of processors, which other work on the machine does not lengthen


def installation(size: str = "small", seed: int = 0) -> None:
    """Seconds of the three commands, megabytes of what they make, seconds of a start.

    Args:
        size: of the virtual patient.
        seed: of the patient.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        series, python = _series(folder, size, seed), folder / "env" / "bin" / "python"
        program = python.with_name("tanq-monai")
        commands = {
            "python -m venv env": (sys.executable, "-m", "venv", folder / "env"),
            "python -m pip install 'CLONE[runtime]'": (python, "-m", "pip", "install", "-q", f"{CLONE}[runtime]"),
            "tanq-monai segment SERIES": (program, "segment", series, "--output-dir", folder / "out"),
        }
        seconds, megabytes = {}, []
        for told, command in commands.items():
            seconds[told] = clock, processors = _seconds(command)
            megabytes.append(_megabytes(folder / "env"))
            tell(f"{told}: {clock:.1f} s, {processors:.1f} s of processors")
        report("from nothing to a label", sum(clock for clock, _ in seconds.values()), "s", bar=SECONDS_BAR)
        report("the same, of processors", sum(processors for _, processors in seconds.values()), "s")
        report("what is installed, and compiled of it", megabytes[-1] - megabytes[0], "MB", bar=MB_BAR)
        tell(f"with pip and what else an empty environment has: {megabytes[-1]:.0f} MB")
        for words in (("--version",), ("segment", "--help")):
            clock, processors = min(_seconds((program, *words)) for _ in range(5))
            report(f"tanq-monai {' '.join(words)}, of processors", processors, "s", bar=START_BAR)
            tell(f"on the clock: {clock:.2f} s")
    tell(f"n = 1, starts: the fastest of 5; size {size}, seed {seed}, {machine()}")


def _series(folder: Path, size: str, seed: int) -> Path:
    write_dataset(folder / "phantom", num_source=0, num_target=0, num_test=1, size=size, seed=seed)
    (scan,) = (folder / "phantom" / "validation").glob("*_hrT2.nii.gz")
    write_virtual_series(scan, "CISS", folder / "series")
    return folder / "series"


def _seconds(command: Sequence[str | Path]) -> Seconds:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _megabytes(folder: Path) -> float:
    """Of 10^6 bytes: all files, what Python has compiled of them included."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6
