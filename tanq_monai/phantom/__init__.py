"""Virtual patients: a head with inner ears and a schwannoma, scanned with ceT1 and hrT2."""

from tanq_monai.phantom.acquisition import Grid, ideal_scan, make_grid, render
from tanq_monai.phantom.dataset import render_pair, write_dataset
from tanq_monai.phantom.patient import Patient, draw_patient
from tanq_monai.phantom.protocols import SIZES
from tanq_monai.phantom.sequences import (
    LONDON_CISS,
    LONDON_FLASH,
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
    "LONDON_RESTORE",
    "NATIVE",
    "SIZES",
    "TILBURG_FFE",
    "TILBURG_TSE",
    "Grid",
    "Kind",
    "Patient",
    "Protocol",
    "Tissue",
    "draw_patient",
    "ideal_scan",
    "make_grid",
    "render",
    "render_pair",
    "signal",
    "write_dataset",
]
