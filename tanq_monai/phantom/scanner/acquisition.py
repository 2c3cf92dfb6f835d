"""From a patient to a scan: scan grid, partial volume, point spread, coil shading, Rician noise, stored integers."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.phantom.anatomy.patient import Patient
from tanq_monai.phantom.painting.kernel import expose_slice
from tanq_monai.phantom.painting.paint import Cells, Float32, Labels, Shape, paint
from tanq_monai.phantom.painting.scene import make_scene
from tanq_monai.phantom.painting.shapes import Array, draw_waves
from tanq_monai.phantom.scanner.flaws import FLAWLESS, Flaws
from tanq_monai.phantom.scanner.off_resonance import OffResonance, draw_off_resonance
from tanq_monai.phantom.scanner.sequences import Protocol, signal
from tanq_monai.phantom.tissues import Kind, Tissue, at_field, without_gadolinium

_EAR_REACH = (22.0, 24.0, 17.0)  # mm round a cochlea that is sampled most finely
_EAR_SHIFT = (-8.0, -5.0, 1.5)  # of that box: medial, posterior, up (its first entry is mirrored on the left)
_CELL = 4.0  # mm between positions that are deformed exactly
_BINS = 64  # of precession in the signal table
_POINT_SPREAD = 0.42  # standard deviation in a slice, acquired pixels
_SLICE_SPREAD = 0.3  # across slices, voxels
_WHITE_MATTER_VALUE = 420.0  # stored value of white matter on ceT1, as on the scanners
_CSF_VALUE = 1400.0  # of CSF on hrT2


@dataclass(frozen=True)
class Grid:
    """Where a scan's voxels lie.

    Args:
        shape: voxels along left, posterior, superior.
        affine: (4, 4), voxel index to RAS position in mm; the first two axes run to the left and to the back.
        factor: samples per voxel and axis for partial volume.
        ear_factor: the same near the inner ears.
        interpolation: stored pixels per acquired pixel along both axes of a slice.
    """

    shape: Shape
    affine: Array
    factor: Shape = (1, 1, 1)
    ear_factor: Shape = (2, 2, 3)
    interpolation: float = 1.0


def make_grid(
    shape: Shape,
    spacing: tuple[float, float, float],
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    factor: Shape = (1, 1, 1),
    ear_factor: Shape = (2, 2, 3),
    interpolation: float = 1.0,
) -> Grid:
    """Grid in LPS order, its middle at ``center`` (mm), turned about x, y, z by ``angles`` (degrees)."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(angles)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = step @ turn
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(spacing)
    affine[:3, 3] = np.asarray(center) - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return Grid(shape, affine, factor, ear_factor, interpolation)


def ideal_scan(
    patient: Patient, protocol: Protocol, grid: Grid, off_resonance: OffResonance | None = None
) -> tuple[Float32, Labels]:
    """A scan without point spread, shading and noise, in units of :func:`~tanq_monai.phantom.scanner.sequences.signal`.

    Args:
        patient: who.
        protocol: the sequence.
        grid: the voxels.
        off_resonance: of the magnet's field, which makes the bands of a balanced sequence; None: a perfect magnet.

    Returns:
        image, float32, and label map, uint8 (0, 1 VS, 2 cochlea: what fills at least half of a voxel).
    """
    corners = _positions(grid)
    banded = off_resonance is not None and protocol.sequence == "balanced"
    turns = np.zeros(corners.shape[:3])
    if off_resonance is not None and banded:
        hertz = off_resonance.field(*np.moveaxis(corners, -1, 0)) * (protocol.tesla / 1.5)
        turns = hertz * protocol.tr / 1000
    precession = 2 * np.pi * np.arange(_BINS) / _BINS if banded else np.zeros(1)
    ears = [np.asarray(ear.cochlea) + np.asarray(_EAR_SHIFT) * (ear.side, 1, 1) for ear in patient.ears]
    cells = Cells(
        shape=grid.shape,
        edge=_cell_edge(grid),
        corners=np.stack(patient.deform(*np.moveaxis(corners, -1, 0)), axis=-1),
        phase=turns * _BINS,
        factor=grid.factor,
        fine_factor=grid.ear_factor,
        fine_centers=np.array(ears),
        fine_reach=_EAR_REACH,
    )
    tissues = _seen_tissues(patient, protocol)
    signals = {kind: np.array([signal(tissues[kind], protocol, float(angle)) for angle in precession]) for kind in Kind}
    return paint(make_scene(patient.layers()), cells, signals)


def render(
    patient: Patient, protocol: Protocol, grid: Grid, rng: np.random.Generator, flaws: Flaws = FLAWLESS
) -> tuple[NDArray[np.integer], Labels]:
    """Scan a patient.

    Args:
        patient: who.
        protocol: the sequence.
        grid: the voxels.
        rng: for off-resonance, coil shading, noise, and the type of the stored numbers.
        flaws: what else went wrong.

    Returns:
        image, int16 or uint16, and label map, uint8 (0, 1 VS, 2 cochlea), both of ``grid.shape``.
    """
    field, shading = draw_off_resonance(rng), _shading(grid, rng) ** flaws.shading
    image, label = _folded_scan(patient, protocol, grid, field, flaws.folded)
    image = _spread(image, grid.interpolation)
    image = flaws.spoil(image)
    tissues = _seen_tissues(patient, protocol)
    reference, value = (
        (Kind.WHITE_MATTER, _WHITE_MATTER_VALUE) if protocol.contrast == "ceT1" else (Kind.CSF, _CSF_VALUE)
    )
    brightest = max(signal(tissue, protocol) for tissue in tissues.values())
    scale = value / max(signal(tissues[reference], protocol), brightest / 5) * float(rng.uniform(0.8, 1.25))
    sigma = signal(tissues[Kind.WHITE_MATTER], protocol) / protocol.signal_to_noise
    stored = np.empty(grid.shape, np.int16 if rng.random() < 0.5 else np.uint16)
    edge = np.array(_cell_edge(grid))
    for k in range(grid.shape[2]):  # one slice of noise at a time: memory
        expose_slice(k, image, shading, edge, _draw_noise(rng, grid), sigma, scale, stored)
    return stored, label


def _seen_tissues(patient: Patient, protocol: Protocol) -> dict[Kind, Tissue]:
    """The patient's tissues as this scan meets them."""
    tissues = patient.tissues
    if not protocol.gadolinium:
        tissues = without_gadolinium(tissues, patient.take_up_gadolinium)
    return at_field(tissues, protocol.tesla)


def _folded_scan(
    patient: Patient, protocol: Protocol, grid: Grid, field: OffResonance, folded: int
) -> tuple[Float32, Labels]:
    """An ideal scan onto whose two sides (first axis) lies what is beyond the other one, ``folded`` voxels of it."""
    if not folded:
        return ideal_scan(patient, protocol, grid, field)
    affine = grid.affine.copy()
    affine[:3, 3] -= folded * affine[:3, 0]
    wide = replace(grid, shape=(grid.shape[0] + 2 * folded, *grid.shape[1:]), affine=affine)
    image, label = ideal_scan(patient, protocol, wide, field)
    inside = image[folded:-folded].copy()
    inside[-folded:] += image[:folded]
    inside[:folded] += image[-folded:]
    return inside, label[folded:-folded].copy()


def _cell_edge(grid: Grid) -> Shape:
    spacing = np.linalg.norm(grid.affine[:3, :3], axis=0)
    a, b, c = (max(1, round(_CELL / s)) for s in spacing)
    return a, b, c


def _positions(grid: Grid) -> Array:
    """Of the corners of cells, (cells + 1 along each axis, 3), mm. Corners lie between voxels."""
    steps = [np.arange(0, n + e, e) - 0.5 for n, e in zip(grid.shape, _cell_edge(grid), strict=True)]
    index = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    positions: Array = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return positions


def _shading(grid: Grid, rng: np.random.Generator) -> Array:
    """Sensitivity of the head coil at the corners of cells: smooth, about +-15 %, higher near the surface."""
    x, y, z = np.moveaxis(_positions(grid), -1, 0)
    wave = draw_waves(rng, wavelength=230, number=4)
    rim = rng.uniform(0.05, 0.25) / 90**2
    shading: Array = np.exp(0.12 * wave(x, y, z) + rim * (x * x + y * y))
    return shading


def _spread(image: Float32, interpolation: float) -> Float32:
    """The point spread, a Gaussian along each axis: of acquired pixels in a slice, narrower across slices."""
    for axis in (0, 1):
        image = ndimage.correlate1d(image, _taps(_POINT_SPREAD * interpolation), axis=axis, mode="nearest")
    blurred: Float32 = ndimage.correlate1d(image, _taps(_SLICE_SPREAD), axis=2, mode="nearest")
    return blurred


def _draw_noise(rng: np.random.Generator, grid: Grid) -> Float32:
    """Noise of unit variance in both channels of a slice, (2, X, Y); of acquired pixels, as the signal."""
    noise = rng.standard_normal((2, *grid.shape[:2]), dtype=np.float32)
    if grid.interpolation > 1:
        taps = _taps(_POINT_SPREAD * grid.interpolation)
        taps /= np.sqrt((taps**2).sum())
        for axis in (1, 2):
            noise = ndimage.correlate1d(noise, taps, axis=axis, mode="wrap")
    return noise


def _taps(sigma: float) -> Array:
    """Weights of a Gaussian, three standard deviations wide, sum 1."""
    reach = int(np.ceil(3 * sigma))
    weights: Array = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    return weights
