"""From a patient to a scan: scan grid, partial volume, point spread, coil shading, Rician noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.phantom.patient import WARP, Patient
from tanq_monai.phantom.sequences import Protocol, signal
from tanq_monai.phantom.shapes import Array, Layer, draw_waves
from tanq_monai.phantom.tissues import COCHLEA_KINDS, VS_KINDS, Kind

_EAR_REACH = (22.0, 24.0, 17.0)  # mm round a cochlea that is sampled most finely
_EAR_SHIFT = (-8.0, -5.0, 1.5)  # of that box: medial, posterior, up (its first entry is mirrored on the left)
_POINTS = 1_500_000  # samples held at once
_BLUR = 0.42  # standard deviation of the point spread, voxels
_WHITE_MATTER_VALUE = 420.0  # stored value of white matter on ceT1, as on the scanners
_CSF_VALUE = 1400.0  # of CSF on hrT2

Shape = tuple[int, int, int]
Box = tuple[slice, ...]
Axis = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where a scan's voxels lie.

    Args:
        shape: voxels along left, posterior, superior.
        affine: (4, 4), voxel index to RAS position in mm; the first two axes run to the left and to the back.
        factor: samples per voxel and axis for partial volume.
        ear_factor: the same near the inner ears.
    """

    shape: Shape
    affine: NDArray[np.float64]
    factor: Shape = (1, 1, 1)
    ear_factor: Shape = (2, 2, 3)


def make_grid(
    shape: Shape,
    spacing: tuple[float, float, float],
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    factor: Shape = (1, 1, 1),
    ear_factor: Shape = (2, 2, 3),
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
    return Grid(shape, affine, factor, ear_factor)


def render(
    patient: Patient, protocol: Protocol, grid: Grid, rng: np.random.Generator | None = None
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Scan a patient.

    Args:
        patient: who.
        protocol: the sequence.
        grid: the voxels.
        rng: for coil shading and noise; None: neither (the ideal image).

    Returns:
        Image and label map, both of the grid's shape. A voxel half full is labelled.
    """
    ideal, label = ideal_scan(patient, protocol, grid)
    if rng is not None:
        ideal = _shade(ideal, grid, rng)
        ideal = _add_noise(ideal, signal(patient.tissues[Kind.WHITE_MATTER], protocol) / protocol.signal_to_noise, rng)
    reference, value = (
        (Kind.WHITE_MATTER, _WHITE_MATTER_VALUE) if protocol.contrast == "ceT1" else (Kind.CSF, _CSF_VALUE)
    )
    stored = ideal * np.float32(value / signal(patient.tissues[reference], protocol))
    return np.clip(np.rint(stored), 0, 32767).astype(np.int16), label


def ideal_scan(patient: Patient, protocol: Protocol, grid: Grid) -> tuple[Array, NDArray[np.uint8]]:
    """Image (signal units, float32, partial volume and point spread, no noise) and label map."""
    values = np.array([signal(patient.tissues[kind], protocol) for kind in Kind], np.float32)
    brush = _Brush(patient, patient.layers(), grid.affine)
    image, label = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.uint8)
    whole = tuple(slice(0, n) for n in grid.shape)
    boxes = [(whole, grid.factor)] + [(_ear_box(ear.cochlea, grid), grid.ear_factor) for ear in patient.ears]
    for box, factor in boxes:
        for slab in _slabs(box, factor):
            image[slab], label[slab] = _average(brush.paint(slab, factor), values, factor)
    ndimage.gaussian_filter(image, sigma=(_BLUR, _BLUR, 0.3), output=image)
    return image, label


@dataclass(frozen=True)
class _Brush:
    """Paints a patient's anatomy onto samples of a voxel grid."""

    patient: Patient
    layers: list[Layer]
    affine: NDArray[np.float64]

    def paint(self, box: Box, factor: Shape) -> NDArray[np.uint8]:
        """Tissue of every sample of the voxels in ``box``."""
        axes = [
            np.arange(0.5 + s.start * f, s.stop * f, dtype=np.float64) / f - 0.5
            for s, f in zip(box, factor, strict=True)
        ]  # in voxels
        x, y, z = self.patient.deform(*_positions(axes, self.affine))
        kinds = np.zeros(x.shape, np.uint8)
        inverse = np.linalg.inv(self.affine)
        for layer in self.layers:
            part = _part(layer, inverse, axes)
            if part is not None:
                _stroke(layer, kinds[part], x[part], y[part], z[part])
        return kinds


def _stroke(layer: Layer, kinds: NDArray[np.uint8], x: Array, y: Array, z: Array) -> None:
    """Paint one layer in place. What it may not cover is not computed: that is most of the cost."""
    if not layer.over:
        kinds[layer.inside(x, y, z)] = layer.kind
        return
    open_to_it = _among(kinds, layer.over)
    if open_to_it.any():
        painted = layer.inside(x[open_to_it], y[open_to_it], z[open_to_it])
        kinds[open_to_it] = np.where(painted, np.uint8(layer.kind), kinds[open_to_it])


def _average(kinds: NDArray[np.uint8], values: Array, factor: Shape) -> tuple[Array, NDArray[np.uint8]]:
    """Mean signal of each voxel, and the structure that fills at least half of it."""
    cochlea, vs = (_block_mean(_among(kinds, structure), factor) for structure in (COCHLEA_KINDS, VS_KINDS))
    label = np.where(cochlea >= 0.5, 2, np.where(vs >= 0.5, 1, 0)).astype(np.uint8)
    return _block_mean(values[kinds], factor), label


def _slabs(box: Box, factor: Shape) -> Iterator[Box]:
    """The box in pieces of a few slices, of at most about ``_POINTS`` samples."""
    per_slice = (box[0].stop - box[0].start) * (box[1].stop - box[1].start) * int(np.prod(factor))
    thick = max(1, _POINTS // max(per_slice, 1))
    if per_slice > 0:
        for k in range(box[2].start, box[2].stop, thick):
            yield box[0], box[1], slice(k, min(k + thick, box[2].stop))


def _positions(axes: Sequence[Axis], affine: NDArray[np.float64]) -> tuple[Array, Array, Array]:
    i, j, k = np.meshgrid(*axes, indexing="ij", sparse=True)
    x, y, z = ((row[0] * i + row[3]) + row[1] * j + row[2] * k for row in affine[:3])
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def _part(layer: Layer, inverse: NDArray[np.floating], axes: Sequence[Axis]) -> Box | None:
    """The samples that can lie inside a layer's box, None if there are none."""
    margin = 3 * WARP
    low, high = np.asarray(layer.low) - margin, np.asarray(layer.high) + margin
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    first, last = index.min(0), index.max(0)
    part = tuple(
        slice(int(np.searchsorted(axis, a)), int(np.searchsorted(axis, b)))
        for axis, a, b in zip(axes, first, last, strict=True)
    )
    return None if any(s.start >= s.stop for s in part) else part


def _ear_box(cochlea: tuple[float, float, float], grid: Grid) -> Box:
    side = np.sign(cochlea[0])
    center = np.asarray(cochlea) + np.asarray(_EAR_SHIFT) * (side, 1, 1)
    index = np.linalg.inv(grid.affine) @ np.append(center, 1)
    half = np.asarray(_EAR_REACH) / np.linalg.norm(grid.affine[:3, :3], axis=0)
    low = np.clip(np.floor(index[:3] - half), 0, grid.shape).astype(int)
    high = np.clip(np.ceil(index[:3] + half) + 1, 0, grid.shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _among(kinds: NDArray[np.uint8], wanted: tuple[Kind, ...]) -> NDArray[np.bool_]:
    table = np.zeros(len(Kind), bool)
    table[list(wanted)] = True
    return table[kinds]


def _block_mean(samples: NDArray[np.generic], factor: Shape) -> Array:
    a, b, c = (n // f for n, f in zip(samples.shape, factor, strict=True))
    blocks = samples.reshape(a, factor[0], b, factor[1], c, factor[2])
    mean: Array = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return mean


def _shade(image: Array, grid: Grid, rng: np.random.Generator) -> Array:
    """Sensitivity of the head coil: smooth, about +-15 %, higher near the surface."""
    axes = [np.arange(n, dtype=np.float64) for n in grid.shape]
    x, y, z = _positions(axes, grid.affine)
    wave = draw_waves(rng, wavelength=230, number=4)
    rim = np.float32(rng.uniform(0.05, 0.25) / 90**2)
    shaded: Array = image * np.exp(np.float32(0.12) * wave(x, y, z) + rim * (x * x + y * y))
    return shaded


def _add_noise(image: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of the complex signal with Gaussian noise in both parts: Rician."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    magnitude: Array = np.hypot(real, imaginary)
    return magnitude
