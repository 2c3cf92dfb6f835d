"""One case, scanned: its images and its label on one grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.anatomy.patient import Patient, draw_patient, with_findings
from tanq_monai.phantom.anatomy.variety import varied
from tanq_monai.phantom.dataset.cases import Case
from tanq_monai.phantom.scanner.acquisition import Grid, render
from tanq_monai.phantom.scanner.flaws import FLAWLESS, draw_flaws
from tanq_monai.phantom.scanner.hospitals import THIN, draw_sequence, draw_settings
from tanq_monai.phantom.scanner.protocols import Contrast, draw_grid, draw_protocol
from tanq_monai.phantom.scanner.random_protocols import randomized
from tanq_monai.phantom.scanner.sequences import Protocol

Protocols = Literal["sites", "hospitals", "left_out"]
PROTOCOLS: tuple[Protocols, ...] = ("sites", "hospitals", "left_out")
"""``sites``: as London and Tilburg scan. ``hospitals``: hrT2 of other vendors' sequences and fields and ceT1 with other
settings, with flaws, findings besides the schwannoma, and in some scans tissues or shapes of no patient.
``left_out``: the same of the one vendor that ``hospitals`` leaves out, at 3 T, with tissues of patients."""


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


def scan_case(case: Case, size: str, seed: int, protocols: Protocols = "sites") -> CaseScans:
    """Scan the patient that belongs to a case.

    The two contrasts of a paired case have their own coil shading and noise, but lie on the grid of the site's hrT2:
    every voxel of one is the same tissue in the other, so that SSIM, PSNR and contrasts can be taken between a
    translated ceT1 and the true hrT2.

    Args:
        case: of the data set.
        size: of the scan's matrix, a member of ``SIZES``.
        seed: of the data set.
        protocols: how it is scanned.
    """
    patient_seed, scan_seed = case.seeds(seed)
    patient, rng = draw_patient(patient_seed), np.random.default_rng(scan_seed)
    hospital = protocols != "sites"
    if hospital:
        patient = with_findings(patient, rng)
    if protocols == "hospitals":
        patient = varied(patient, rng)
    drawn = {contrast: draw_protocol(rng, case.site, contrast) for contrast in case.contrasts}
    if hospital:
        drawn = {contrast: randomized(protocol, rng) for contrast, protocol in drawn.items()}
    thickness = THIN
    if hospital and "hrT2" in drawn:
        sequence = draw_sequence(rng, left_out=protocols == "left_out")
        drawn["hrT2"], thickness = draw_settings(rng, sequence), sequence.thickness
    grid = draw_grid(rng, size, case.site, case.contrasts[-1], thickness)
    scans = {
        contrast: render(patient, protocol, grid, rng, draw_flaws(rng, grid.shape) if hospital else FLAWLESS)
        for contrast, protocol in drawn.items()
    }
    return CaseScans(
        patient=patient,
        protocols=drawn,
        images={contrast: image for contrast, (image, _) in scans.items()},
        label=scans[case.contrasts[-1]][1],
        grid=grid,
    )
