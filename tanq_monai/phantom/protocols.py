"""Scan protocols of the two sites, at native and reduced size."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tanq_monai.phantom.acquisition import Grid, Shape, make_grid
from tanq_monai.phantom.sequences import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_RESTORE,
    TILBURG_FFE,
    TILBURG_TSE,
    Protocol,
)

Site = Literal["ldn", "etz"]
Contrast = Literal["ceT1", "hrT2"]
SITES: tuple[Site, Site] = ("ldn", "etz")
SIZES = ("tiny", "small", "full")
_CISS_SHARE = 0.8
_TURN = (2.0, 1.5, 1.5)  # degrees, standard deviation of the head's position about x, y, z


@dataclass(frozen=True)
class Matrix:
    """Voxels of a scan.

    Args:
        shape: voxels along left, posterior, superior.
        spacing: mm.
        center: of the scan relative to the point between the cochleae, mm (right, anterior, superior).
        factor: samples per voxel for partial volume.
        ear_factor: the same near the inner ears.
    """

    shape: Shape
    spacing: tuple[float, float, float]
    center: tuple[float, float, float]
    factor: Shape
    ear_factor: Shape


_NEAR = (0.0, -3.0, 2.0)
MATRICES: dict[tuple[str, Site, Contrast], Matrix] = {
    ("tiny", "ldn", "ceT1"): Matrix((80, 80, 20), (1.40, 1.40, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "etz", "ceT1"): Matrix((80, 80, 20), (1.45, 1.45, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "ldn", "hrT2"): Matrix((80, 80, 16), (1.40, 1.40, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "etz", "hrT2"): Matrix((80, 80, 16), (1.36, 1.36, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("small", "ldn", "ceT1"): Matrix((144, 144, 40), (0.82, 0.82, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "etz", "ceT1"): Matrix((144, 144, 40), (0.80, 0.80, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "ldn", "hrT2"): Matrix((144, 144, 28), (0.82, 0.82, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "etz", "hrT2"): Matrix((144, 144, 28), (0.80, 0.80, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("full", "ldn", "ceT1"): Matrix((512, 512, 120), (0.41, 0.41, 1.5), (0, 6, 32), (1, 1, 1), (1, 1, 3)),
    ("full", "etz", "ceT1"): Matrix((256, 256, 60), (0.80, 0.80, 1.5), (0, 4, 12), (1, 1, 2), (2, 2, 3)),
    ("full", "ldn", "hrT2"): Matrix((448, 448, 60), (0.50, 0.50, 1.5), (0, 4, 4), (1, 1, 2), (2, 2, 3)),
    ("full", "etz", "hrT2"): Matrix((512, 512, 64), (0.40, 0.40, 1.0), (0, 4, 4), (1, 1, 1), (1, 1, 2)),
}


def draw_protocol(rng: np.random.Generator, site: Site, contrast: Contrast) -> Protocol:
    """The site's protocol; London's hrT2 is CISS in four of five patients, TSE with restore in the fifth."""
    if contrast == "ceT1":
        return LONDON_FLASH if site == "ldn" else TILBURG_FFE
    if site == "etz":
        return TILBURG_TSE
    return LONDON_CISS if rng.random() < _CISS_SHARE else LONDON_RESTORE


def draw_grid(rng: np.random.Generator, size: str, site: Site, contrast: Contrast) -> Grid:
    """The site's matrix, turned and shifted as the head happened to lie."""
    matrix = MATRICES[size, site, contrast]
    rx, ry, rz = np.clip(rng.normal(0, _TURN), -4, 4)
    dx, dy, dz = np.clip(rng.normal(0, (1.5, 2.5, 1.0)), -5, 5) + matrix.center
    return make_grid(
        matrix.shape,
        matrix.spacing,
        angles=(float(rx), float(ry), float(rz)),
        center=(float(dx), float(dy), float(dz)),
        factor=matrix.factor,
        ear_factor=matrix.ear_factor,
    )
