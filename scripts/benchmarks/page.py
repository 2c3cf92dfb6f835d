"""Seconds of the page for browsers on one core of a processor, by the voxels of a scan."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
from nibabel.processing import conform

from benchmarks.measure import machine, report, tell
from benchmarks.prediction import full_size_scan
from tanq_monai.errors import InputError

WEB = Path(__file__).parents[2] / "web"
SHAPE = (256, 256, 60)
SLICE_MM = 1.0
BAR = 60.0  # seconds


def page(pixel_mm: Sequence[float] = (0.41, 0.6, 0.82), seed: int = 0) -> None:
    """Seconds by the clock, from a scan that is dropped on the page to its label; headless Chromium on one core.

    Args:
        pixel_mm: of scans of 256 x 256 x 60 voxels, all of one virtual patient, resampled.
        seed: of the patient.

    Raises:
        InputError: when the page was not built.
    """
    chromium = shutil.which("chromium")
    if chromium is None or not (WEB / "dist" / "index.html").is_file():
        raise InputError(WEB / "dist", "has no page, or there is no Chromium", "run `make web chromium` first")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        patient = nib.load(full_size_scan(folder / "patient", seed))
        jobs = []
        for pixel in pixel_mm:
            file = folder / f"{pixel}_hrT2.nii.gz"
            nib.save(conform(patient, SHAPE, (pixel, pixel, SLICE_MM)), file)
            jobs.append({"name": str(pixel), "paths": [str(file)], "folder": False})
        (folder / "jobs.json").write_text(json.dumps(jobs))
        core = str(min(os.sched_getaffinity(0)))
        drive = [
            "node",
            str(WEB / "test" / "drive.mjs"),
            chromium,
            str(folder / "jobs.json"),
            name,
        ]
        subprocess.run(["taskset", "--cpu-list", core, *drive], check=True)
        told = json.loads((folder / "results.json").read_text())["scans"]
    for pixel in pixel_mm:
        what = f"{' x '.join(map(str, SHAPE))} voxels of {pixel} mm"
        report(what, told[str(pixel)]["seconds"]["clock"], "s", bar=BAR)
    tell(f"n = 1, seed {seed}, one core, Chromium, {machine()}")
