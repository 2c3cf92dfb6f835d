"""Scan protocols of the two sites, at native and reduced size."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tanq_monai.phantom.draws import log_uniform
from tanq_monai.phantom.painting.paint import Shape
from tanq_monai.phantom.scanner.acquisition import Grid, make_grid
from tanq_monai.phantom.scanner.hospitals import THIN
from tanq_monai.phantom.scanner.sequences import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_MPRAGE,
    LONDON_RESTORE,
    TILBURG_FFE,
    TILBURG_TSE,
    Protocol,
)

Site = Literal["ldn", "etz"]
Contrast = Literal["ceT1", "hrT2"]
Point = tuple[float, float, float]
SITES: tuple[Site, Site] = ("ldn", "etz")
SIZES = ("tiny", "small", "crop", "full", "varied")
"""``full``: the scanners' own matrices. ``crop``: their voxels in a box round both ears. ``tiny``
and ``small`` are coarser. ``varied``: voxels, slabs and tilts that hospitals choose, another draw for every scan."""


@dataclass(frozen=True)
class Matrix:
    """Voxels of a scan.

    Args:
        shape: voxels along left, posterior, superior.
        spacing: mm.
        center: of the scan relative to the point between the cochleae, mm (right, anterior, superior).
        factor: samples per voxel for partial volume.
        ear_factor: the same near the inner ears.
        interpolation: stored pixels per acquired pixel.
    """

    shape: Shape
    spacing: Point
    center: Point
    factor: Shape
    ear_factor: Shape
    interpolation: float = 1.0


@dataclass(frozen=True)
class Scanner:
    """How the scans of one site and contrast are cut, and how they differ between patients.

    Args:
        matrices: pixels along each side of a slice, equally often.
        field_of_view: mm, the same for all matrices.
        slices: fewest and most.
        thickness: mm.
        center: as in :class:`Matrix`.
        crop_height: of ``crop``, mm.
        thin_slices: fewest and most in scans with slices of 1 mm.
        thin_share: how often that happens.
    """

    matrices: tuple[int, ...]
    field_of_view: float
    slices: tuple[int, int]
    thickness: float
    center: Point
    crop_height: float
    thin_slices: tuple[int, int] = (0, 0)
    thin_share: float = 0.0


# Slabs of hrT2 are 60-120 mm high; ceT1 covers the head in London, at least 90 mm in Tilburg.
SCANNERS: dict[tuple[Site, Contrast], Scanner] = {
    ("ldn", "ceT1"): Scanner((512,), 210.0, (120, 120), 1.5, (0, 2, 43), 45, (160, 160), 18 / 242),
    ("etz", "ceT1"): Scanner((256,), 204.8, (60, 70), 1.5, (0, 2, 20), 45),
    ("ldn", "hrT2"): Scanner((448, 384), 210.0, (40, 80), 1.5, (0, 0, 4), 40, (60, 80), 20 / 242),
    ("etz", "hrT2"): Scanner((512,), 204.8, (60, 80), 1.0, (0, 0, 4), 40),
}
_MPRAGE_SHARE = 2 / 242
_CISS_SHARE = 193 / 242

_INTERPOLATED = 512  # pixels: acquired as 256, as the headers of the public VS-SEG scans say

_CROP = (130.0, 100.0)  # mm, left-right and front-back
_CROP_CENTER = (0.0, -4.0, 3.0)
_PITCH = 0.75  # mm between the samples of crop and full, at most
_EAR_PITCH = 0.38  # the same near the inner ears
_TURN = (2.0, 1.5, 1.5)  # degrees, standard deviation of the head's position about x, y, z
_SHIFT = (1.5, 2.5, 1.0)  # mm, the same along x, y, z

_WHOLE_HEAD_SHARE = 0.65
_MISSED_SHARE = 0.05
_VARIED_PIXEL = (0.4, 1.0)  # mm
_VARIED_HEIGHT = (24.0, 100.0)  # mm
_VARIED_TURN = (5.0, 3.5, 3.5)  # degrees, standard deviation
_VARIED_SHIFT = (3.0, 6.0, 5.0)  # mm, the same
_MOST_PIXELS, _MOST_SLICES = 320, 72  # what a scan of these may cost
_VARIED_PITCH, _VARIED_EAR_PITCH = 0.8, 0.45

_NEAR = (0.0, -3.0, 2.0)
_COARSE: dict[tuple[str, Site, Contrast], Matrix] = {
    ("tiny", "ldn", "ceT1"): Matrix((80, 80, 20), (1.40, 1.40, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "etz", "ceT1"): Matrix((80, 80, 20), (1.45, 1.45, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "ldn", "hrT2"): Matrix((80, 80, 16), (1.40, 1.40, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("tiny", "etz", "hrT2"): Matrix((80, 80, 16), (1.36, 1.36, 2.0), _NEAR, (2, 2, 2), (3, 3, 4)),
    ("small", "ldn", "ceT1"): Matrix((144, 144, 40), (0.82, 0.82, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "etz", "ceT1"): Matrix((144, 144, 40), (0.80, 0.80, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "ldn", "hrT2"): Matrix((144, 144, 28), (0.82, 0.82, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
    ("small", "etz", "hrT2"): Matrix((144, 144, 28), (0.80, 0.80, 1.5), _NEAR, (2, 2, 2), (2, 2, 3)),
}


def draw_protocol(rng: np.random.Generator, site: Site, contrast: Contrast) -> Protocol:
    """The site's protocol. London's ceT1 is FLASH, MPRAGE in 2 of 242; its hrT2 CISS in 193, else TSE with restore."""
    if site == "etz":
        return TILBURG_FFE if contrast == "ceT1" else TILBURG_TSE
    if contrast == "ceT1":
        return LONDON_MPRAGE if rng.random() < _MPRAGE_SHARE else LONDON_FLASH
    return LONDON_CISS if rng.random() < _CISS_SHARE else LONDON_RESTORE


def draw_grid(
    rng: np.random.Generator, size: str, site: Site, contrast: Contrast, thickness: tuple[float, float] = THIN
) -> Grid:
    """The voxels of one scan: a matrix of the site, turned and shifted as the head happened to lie.

    ``thickness`` (mm) is that of ``varied`` slices.
    """
    if size == "varied":
        return _draw_varied_grid(rng, thickness)
    matrix = _COARSE.get((size, site, contrast)) or _draw_matrix(rng, size, SCANNERS[site, contrast])
    rx, ry, rz = np.clip(rng.normal(0, _TURN), -4, 4)
    dx, dy, dz = np.clip(rng.normal(0, _SHIFT), -5, 5) + matrix.center
    return make_grid(
        matrix.shape,
        matrix.spacing,
        angles=(float(rx), float(ry), float(rz)),
        center=(float(dx), float(dy), float(dz)),
        factor=matrix.factor,
        ear_factor=matrix.ear_factor,
        interpolation=matrix.interpolation,
    )


def _draw_varied_grid(rng: np.random.Generator, thickness: tuple[float, float]) -> Grid:
    """Fields of view from a box round both ears to the whole head; one slab in twenty misses the ears."""
    extent = rng.uniform(170, 235) if rng.random() < _WHOLE_HEAD_SHARE else rng.uniform(105, 165)
    pixels = int(min(extent / log_uniform(rng, _VARIED_PIXEL), _MOST_PIXELS))
    step = log_uniform(rng, thickness)
    slices = int(np.clip(rng.uniform(*_VARIED_HEIGHT) / step, 6, _MOST_SLICES))
    spacing = (extent / pixels, extent / pixels, step)
    rx, ry, rz = np.clip(rng.normal(0, _VARIED_TURN), -15, 15)
    middle = np.array([0.0, 12.0 * (extent - 105) / 130 - 4.0, 4.0])  # of a whole head it lies before the ears
    dx, dy, dz = rng.normal(0, _VARIED_SHIFT) + middle
    if rng.random() < _MISSED_SHARE:
        dz += rng.choice((-1, 1)) * rng.uniform(25, 50)
    return make_grid(
        (pixels, pixels, slices),
        spacing,
        angles=(float(rx), float(ry), float(rz)),
        center=(float(dx), float(dy), float(dz)),
        factor=_samples(spacing, _VARIED_PITCH),
        ear_factor=_samples(spacing, _VARIED_EAR_PITCH),
        interpolation=float(rng.choice((1.0, rng.uniform(1.0, 2.0)))),
    )


def _draw_matrix(rng: np.random.Generator, size: str, scanner: Scanner) -> Matrix:
    thin = rng.random() < scanner.thin_share
    thickness, (fewest, most) = (1.0, scanner.thin_slices) if thin else (scanner.thickness, scanner.slices)
    pixels, slices = int(rng.choice(scanner.matrices)), int(rng.integers(fewest, most + 1))
    return _native_matrix(size, scanner, pixels, slices, thickness)


def _native_matrix(size: str, scanner: Scanner, pixels: int, slices: int, thickness: float) -> Matrix:
    pixel = scanner.field_of_view / pixels
    shape, center = (pixels, pixels, slices), scanner.center
    if size == "crop":
        width, depth = (round(extent / pixel) for extent in _CROP)
        shape, center = (width, depth, round(scanner.crop_height / thickness)), _CROP_CENTER
    spacing = (pixel, pixel, thickness)
    factor, ear_factor = _samples(spacing, _PITCH), _samples(spacing, _EAR_PITCH)
    return Matrix(shape, spacing, center, factor, ear_factor, interpolation=2.0 if pixels == _INTERPOLATED else 1.0)


def _samples(spacing: Point, pitch: float) -> Shape:
    i, j, k = (int(np.ceil(step / pitch)) for step in spacing)
    return i, j, k


MATRICES = _COARSE | {
    (size, site, contrast): _native_matrix(
        size, scanner, scanner.matrices[0], round(sum(scanner.slices) / 2), scanner.thickness
    )
    for size in ("crop", "full")  # varied has no usual ones
    for (site, contrast), scanner in SCANNERS.items()
}
"""The usual voxels of every size, site and contrast."""
