"""Sizes and places of schwannoma and cochlea in patients, and draws that stay inside what is published.

Distributions and regressions were computed from the public contours of 240 schwannomas and 145 cochleae (Shapey et al.,
Vestibular-Schwannoma-SEG, The Cancer Imaging Archive 2021, doi 10.7937/TCIA.9YTJ-5Q73, CC BY 4.0). Every draw is cut
at the 5th and 95th percentile of volume, extents and offset, less what voxels may change: the phantom's check holds for
each single patient, so those beyond are left out on purpose. That makes the phantom narrower than patients are: a tenth
of the VS volumes lies outside, and with coarse voxels a cochlea below 45 or above 80 mm^3 would fail in its extents, so
that none is drawn there, where a third of the published ones lie.

Axes of extents: left-right, front-back, up-down; of offsets from the same side's cochlea: medial, posterior, superior.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.painting.shapes import Array

VS_VOLUME = (262.0, 6600.0)  # mm^3; published 239, 6776
VS_EXTENT = np.array(
    [[12.1, 8.6, 7.8], [26.8, 24.8, 26.0]]
)  # mm; published 11.2, 7.7, 5.0 and 27.8, 25.8, 25.5 + a slice
VS_OFFSET = np.array([[4.9, 4.2, 1.2], [16.9, 11.7, 6.3]])  # mm; published 4.5, 3.8, .8 and 17.3, 12.1, 6.7
_VS_LOG_VOLUME = (3.143, 0.464)  # log10 of mm^3
_VS_LOG_EXTENT = np.array([[0.254, 0.461, 0.062], [0.354, 0.059, 0.043], [0.423, -0.221, 0.061]])  # slope, at 1, sd
_EXTENT_CORRELATION = np.array([[1, -0.25, -0.27], [-0.25, 1, -0.10], [-0.27, -0.10, 1]])
_VS_OFFSET = np.array([[6.83, -9.9, 2.65], [4.29, -5.56, 2.0], [1.19, -0.29, 1.75]])  # slope on log10 volume, at 1, sd
_CONTOUR_SLICE = 1.5  # mm: contours' height counts from the first to the last one's middle

COCHLEA_VOLUME = (32.5, 92.5)  # mm^3
COCHLEA_EXTENT = np.array([[4.9, 3.71, 3.0], [7.57, 6.48, 6.0]])  # mm
_COCHLEA_LOG_VOLUME = (1.748, 0.13)  # log10 of mm^3
_COCHLEA_DRAWN = (45.5, 80.0)  # mm^3
APART = (69.5, 0.5, 68.8, 70.2)
"""Distance of the cochleae: mean, standard deviation, lowest, highest, mm."""
NATIVE_SPACINGS = ((0.8, 0.8, 1.5), (0.41, 0.41, 1.5), (0.5, 0.5, 1.5), (0.4, 0.4, 1.0))
"""Voxels of the sites' scans, mm."""


@dataclass(frozen=True)
class VsTarget:
    """What a schwannoma shall measure.

    Args:
        volume: mm^3.
        extent: (3,), mm.
        offset: of its centroid from the cochlea's, (3,), mm.
    """

    volume: float
    extent: Array
    offset: Array


def draw_vs_volume(rng: np.random.Generator) -> float:
    """Log-normal, mm^3."""
    return _folded_log_normal(rng, _VS_LOG_VOLUME, VS_VOLUME)


def draw_vs_target(rng: np.random.Generator, volume: float) -> VsTarget:
    """Extent and offset as they follow the volume in patients, inside the limits; after 500 tries the nearest to it."""
    log = np.log10(volume)
    root = np.linalg.cholesky(_EXTENT_CORRELATION)
    fair = _CONTOUR_SLICE * np.array([0, 0, 1])
    extent, offset = 10 ** (_VS_LOG_EXTENT[:, :2] @ (log, 1)) + fair, _VS_OFFSET[:, :2] @ (log, 1)
    extent, offset = np.clip(extent, *VS_EXTENT), np.clip(offset, *VS_OFFSET)
    for _ in range(500):
        e = 10 ** (_VS_LOG_EXTENT[:, :2] @ (log, 1) + _VS_LOG_EXTENT[:, 2] * (root @ rng.standard_normal(3))) + fair
        o = _VS_OFFSET[:, :2] @ (log, 1) + _VS_OFFSET[:, 2] * rng.standard_normal(3)
        if inside(e, VS_EXTENT) and inside(o, VS_OFFSET):
            extent, offset = e, o
            break
    return VsTarget(volume, extent, offset)


def draw_cochlea_volume(rng: np.random.Generator) -> float:
    """Log-normal, mm^3; smaller ones than are drawn would not keep their extent on voxels of 0.8 mm."""
    return _folded_log_normal(rng, _COCHLEA_LOG_VOLUME, _COCHLEA_DRAWN)


def inside(values: Array, limits: Array) -> bool:
    """Whether all of (3,) lie between the rows of (2, 3)."""
    return bool(np.all(values >= limits[0]) and np.all(values <= limits[1]))


def label_size(points: Array, cell: float, spacing: Array, origin: Array) -> tuple[float, Array]:
    """Volume (mm^3) and extent (3,) of the label that a structure gets on a scan: voxels at least half full.

    The extent is that of the voxels' box in the slice, and from the first slice's middle to the last one's across.

    Args:
        points: middles of the small cubes that the structure consists of, (N, 3), mm.
        cell: volume of such a cube, mm^3.
        spacing: of the voxels (3,), mm.
        origin: corner of a voxel (3,), mm.
    """
    index: NDArray[np.int64] = np.floor((points - origin) / spacing).astype(np.int64)
    index -= index.min(axis=0)
    shape = index.max(axis=0) + 1
    filled = np.bincount(np.ravel_multi_index(tuple(index.T), shape), minlength=int(shape.prod())).reshape(shape) * cell
    voxels = np.argwhere(filled >= 0.5 * spacing.prod())
    if len(voxels) == 0:
        return 0.0, np.zeros(3)
    return len(voxels) * float(spacing.prod()), (np.ptp(voxels, axis=0) + np.array([1, 1, 0])) * spacing


def cochlea_passes(points: Array, cell: float, rng: np.random.Generator, places: int = 14) -> bool:
    """Whether a cochlea's label keeps inside the published range on all native voxels, shifted and turned."""
    for spacing in NATIVE_SPACINGS:
        size = np.asarray(spacing)
        for _ in range(places):
            a, b, c = rng.normal(0, 0.03, 3)  # rad
            turn = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
            volume, extent = label_size(points @ turn.T, cell, size, size * rng.uniform(0, 1, 3))
            if not (COCHLEA_VOLUME[0] <= volume <= COCHLEA_VOLUME[1] and inside(extent, COCHLEA_EXTENT)):
                return False
    return True


def _folded_log_normal(
    rng: np.random.Generator, distribution: tuple[float, float], limits: tuple[float, float]
) -> float:
    """A number whose log10 has the given mean and deviation; one beyond a limit is folded back inside."""
    low, high = np.log10(limits)
    log = float(rng.normal(*distribution))
    log = low + abs(log - low)
    log = high - abs(high - log)
    return float(10 ** max(log, low))
