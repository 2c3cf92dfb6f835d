"""Workers of a cohort: what a second one gains, and whether one that has labelled a thousand scans has grown."""

import tempfile
import time
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.measure import in_own_process, machine, report, resident, tell
from tanq_monai.cohort import label_cohort
from tanq_monai.cohort.work import Labelling, label_scan
from tanq_monai.labelling.labeller import models_in
from tanq_monai.scans.gathering import gather_scans

GAIN_BAR = 1.7  # of two workers of one thread each, over one
MEMORY_BAR = 1.05  # after many scans, over that after few
SHAPE = (48, 40, 12)  # voxels; how many there are and what they show is the same to both


def cohort(scans: int = 1000, few: int = 10, timed: int = 40, seed: int = 0, ensemble_dir: str | None = None) -> None:
    """Memory of a worker after ``few`` and after ``scans`` scans; seconds of two workers over those of one.

    The scans are small and noisy, each of its own.

    Args:
        scans: for the memory.
        few: for the memory to compare with.
        timed: for the seconds, from the first label to the last; 0: they are not measured, as on a machine with
            other work on its cores.
        seed: of the noise.
        ensemble_dir: a trained model. Default: the shipped one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(seed)
        (folder / "scans").mkdir()
        for number in range(scans):
            image = nib.Nifti1Image(rng.uniform(1, 100, SHAPE).astype(np.float32), np.diag([-0.5, -0.5, 1.5, 1.0]))
            nib.save(image, folder / "scans" / f"case{number}_hrT2.nii.gz")
        after_few, after_all = in_own_process(partial(_memory, folder, few, ensemble_dir))
        report(f"memory of a worker after {few} scans", after_few, "GB")
        report(f"memory after {scans} scans over that", after_all / after_few, bar=MEMORY_BAR)
        if timed:
            places = sorted((folder / "scans").iterdir())[:timed]
            one, two = (_seconds(places, folder / f"{number}", number, ensemble_dir) for number in (1, 2))
            report("two workers of one thread over one", one / two, bar=GAIN_BAR, at_least=True)
    tell(f"n = 1, seed {seed}, models {ensemble_dir or 'as shipped'}, {machine()}")


def _memory(folder: Path, few: int, ensemble_dir: str | None) -> tuple[float, float]:
    """GB that a worker has after the first scans, and after the last."""
    labelling = Labelling(folder / "memory", models_in(ensemble_dir), "", ears_first=True, threads=1, device="cpu")
    found, after_few = gather_scans([folder / "scans"], "hrT2").scans, 0.0
    for number, scan in enumerate(found, start=1):
        label_scan(scan, labelling.key(scan), labelling)
        if number == few:
            after_few = resident()
    return after_few, resident()


def _seconds(places: list[Path], output: Path, workers: int, ensemble_dir: str | None) -> float:
    """From the first label to the last: before it, processes start and models are loaded."""
    times: list[float] = []

    def on_line(line: str) -> None:
        if line.startswith("["):
            times.append(time.perf_counter())

    label_cohort(places, output, on_line, workers=workers, ensemble_dir=ensemble_dir, threads=1, device="cpu")
    return times[-1] - times[0]
