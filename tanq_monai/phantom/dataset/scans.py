"""One case, scanned: its images and its label on one grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.anatomy.patient import Patient, draw_patient
from tanq_monai.phantom.dataset.cases import Case
from tanq_monai.phantom.scanner.acquisition import Grid, render
from tanq_monai.phantom.scanner.protocols import Contrast, draw_grid, draw_protocol
from tanq_monai.phantom.scanner.random_protocols import randomized
from tanq_monai.phantom.scanner.sequences import Protocol


@dataclass(frozen=True)
class CaseScans:
    """A patient and what the scanner made of them.

    Args:
        patient: who.
        protocols: the sequence of every contrast.
        images: of every contrast, (L, P, S), integers.
        label: (L, P, S): 0 other, 1 VS, 2 cochlea.
        grid: of the images and the label.
    """

    patient: Patient
    protocols: Mapping[Contrast, Protocol]
    images: Mapping[Contrast, NDArray[np.integer]]
    label: NDArray[np.uint8]
    grid: Grid


def scan_case(case: Case, size: str, seed: int, random_protocols: bool = False) -> CaseScans:
    """Scan the patient that belongs to a case.

    The two contrasts of a paired case have their own coil shading and noise, but lie on the grid of the site's hrT2:
    every voxel of one is the same tissue in the other, so that SSIM, PSNR and contrasts can be taken between a
    translated ceT1 and the true hrT2.

    Args:
        case: of the data set.
        size: of the scan's matrix, a member of ``SIZES``.
        seed: of the data set.
        random_protocols: the site's sequences with settings that no site has, see :func:`randomized`.
    """
    patient_seed, scan_seed = case.seeds(seed)
    patient, rng = draw_patient(patient_seed), np.random.default_rng(scan_seed)
    protocols = {contrast: draw_protocol(rng, case.site, contrast) for contrast in case.contrasts}
    if random_protocols:
        protocols = {contrast: randomized(protocol, rng) for contrast, protocol in protocols.items()}
    grid = draw_grid(rng, size, case.site, case.contrasts[-1])
    scans = {contrast: render(patient, protocol, grid, rng) for contrast, protocol in protocols.items()}
    return CaseScans(
        patient=patient,
        protocols=protocols,
        images={contrast: image for contrast, (image, _) in scans.items()},
        label=scans[case.contrasts[-1]][1],
        grid=grid,
    )
