"""Virtual patients: a head with inner ears and a schwannoma, scanned with ceT1 and hrT2."""

from tanq_monai.phantom.anatomy.patient import Patient, draw_patient
from tanq_monai.phantom.dataset.cases import Case
from tanq_monai.phantom.dataset.folder import write_dataset
from tanq_monai.phantom.dataset.scans import CaseScans, scan_case
from tanq_monai.phantom.scanner.acquisition import Grid, ideal_scan, make_grid, render
from tanq_monai.phantom.scanner.protocols import SIZES
from tanq_monai.phantom.scanner.sequences import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_MPRAGE,
    LONDON_RESTORE,
    TILBURG_FFE,
    TILBURG_TSE,
    Protocol,
    signal,
)
from tanq_monai.phantom.tissues import ENHANCED, NATIVE, Kind, Tissue

__all__ = [
    "ENHANCED",
    "LONDON_CISS",
    "LONDON_FLASH",
    "LONDON_MPRAGE",
    "LONDON_RESTORE",
    "NATIVE",
    "SIZES",
    "TILBURG_FFE",
    "TILBURG_TSE",
    "Case",
    "CaseScans",
    "Grid",
    "Kind",
    "Patient",
    "Protocol",
    "Tissue",
    "draw_patient",
    "ideal_scan",
    "make_grid",
    "render",
    "scan_case",
    "signal",
    "write_dataset",
]
