"""Measures virtual patients, made in memory, or the scans of a folder."""

from pathlib import Path

import numpy as np

from tanq_monai.errors import InputError
from tanq_monai.phantom.anatomy.patient import draw_patient
from tanq_monai.phantom.check.folder import ScanFile, find_scans, unread_files
from tanq_monai.phantom.check.measure import Measurement, Scan, measure
from tanq_monai.phantom.check.report import Report
from tanq_monai.phantom.parallel import check_settings, in_threads
from tanq_monai.phantom.scanner.acquisition import render
from tanq_monai.phantom.scanner.protocols import SITES, Contrast, draw_grid, draw_protocol

_CONTRASTS: tuple[Contrast, Contrast] = ("ceT1", "hrT2")
_UNCUT = "full"  # the only size whose scans cover what the scanners' do


def check_phantom(num_patients: int, seed: int, size: str, workers: int | None = None) -> Report:
    """Scan ``num_patients`` virtual patients with both contrasts of a random site and measure them.

    Patient i is that of ``draw_patient(seed + i)``, so one that fails is looked at again as the only one of its seed.

    Args:
        num_patients: at least 1.
        seed: of the first patient.
        size: of the scans. Labels shrink on coarse voxels: ``crop`` or ``full`` can be compared with real ones.
        workers: threads; None: one per core.

    Raises:
        InputError: when a number is too small or the size unknown.
    """
    if num_patients < 1:
        raise InputError("num_patients", f"is {num_patients}", "give 1 or more")
    check_settings(size, seed, workers)
    patients = range(seed, seed + num_patients)
    pairs = in_threads(lambda patient: measure_patient(patient, size), patients, workers, "virtual patients", "patient")
    return Report(
        title=f"{num_patients} virtual patients, both contrasts, size {size}, seeds {seed} to {patients[-1]}",
        command=f"phantom-check --num-patients {num_patients} --seed {seed} --size {size}",
        measurements=[measurement for pair in pairs for measurement in pair],
        is_phantom=True,
        whole_scans=size == _UNCUT,
    )


def check_folder(folder: str | Path, workers: int | None = None) -> Report:
    """Measure every scan of a folder; its ``unreadable`` holds an error for each file that was not measured.

    Args:
        folder: with the files that :func:`~tanq_monai.phantom.check.folder.find_scans` finds.
        workers: threads; None: one per core.

    Raises:
        InputError: when there is no scan.
    """
    results = in_threads(_measure_file, find_scans(folder), workers, "scans", "scan")
    measurements = [result for result in results if isinstance(result, Measurement)]
    return Report(
        title=f"{len(measurements)} scans of {folder}",
        command=f"phantom-check --folder {folder}",
        measurements=measurements,
        is_phantom=False,
        whole_scans=True,
        unreadable=(*unread_files(folder), *(result for result in results if isinstance(result, InputError))),
    )


def measure_patient(seed: int, size: str) -> list[Measurement]:
    """Both contrasts of one virtual patient, at a site that the seed draws."""
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    patient, site = draw_patient(seed), SITES[int(rng.integers(len(SITES)))]
    measurements = []
    for contrast in _CONTRASTS:
        protocol = draw_protocol(rng, site, contrast)
        grid = draw_grid(rng, size, site, contrast)
        image, label = render(patient, protocol, grid, rng)
        scan = Scan(f"patient {seed}", site, contrast, protocol.name, image, label, grid.affine)
        measurements.append(measure(scan))
    return measurements


def _measure_file(file: ScanFile) -> Measurement | InputError:
    try:
        return measure(file.read())
    except InputError as error:
        return error
