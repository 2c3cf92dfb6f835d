"""The inner ear in the petrous bone: canal with nerves, vestibule, semicircular canals, cochlear turns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.shapes import Layer, Point, as_points, ellipsoid, ring, tube
from tanq_monai.phantom.tissues import Kind

_UNIT_VOLUME = 160.0  # mm^3 of the label of a cochlea of size 1 on a voxel grid of 0.45 x 0.45 x 0.75 mm
_LABEL_REACH = 1.32  # radius of the labelled turns, with septa and modiolus, over the lumen's
_FLUID = 1.05  # radius of the fluid over the lumen's


@dataclass(frozen=True)
class InnerEar:
    """One side's inner ear.

    Args:
        side: +1 right, -1 left.
        cochlea: center of the cochlea, mm.
        cochlea_volume: of its label, mm^3.
        fundus: lateral end of the internal auditory canal, mm.
        porus: its opening into the cerebellopontine angle, mm.
        canal_radius: mm.
        yaw: direction of the cochlea's axis in the axial plane, degrees from lateral to anterior.
        pitch: of the same axis below the axial plane, degrees.
        scale: of vestibule and semicircular canals.
    """

    side: int
    cochlea: Point
    cochlea_volume: float
    fundus: Point
    porus: Point
    canal_radius: float
    yaw: float
    pitch: float
    scale: float


def draw_inner_ear(rng: np.random.Generator, side: int, cochlea: Point, cochlea_volume: float) -> InnerEar:
    """A random inner ear round a given cochlea."""
    jitter = rng.normal(0, 0.4, 6)
    fundus = (
        cochlea[0] - side * (3.6 + jitter[0]),
        cochlea[1] - 4.6 + jitter[1],
        cochlea[2] + 1.6 + jitter[2],
    )
    length = rng.uniform(9.5, 12.0)
    return InnerEar(
        side=side,
        cochlea=cochlea,
        cochlea_volume=cochlea_volume,
        fundus=fundus,
        porus=(fundus[0] - side * length, fundus[1] - 3.0 + jitter[3], fundus[2] + 0.6 + jitter[4]),
        canal_radius=rng.uniform(2.0, 2.9),
        yaw=rng.normal(52, 5),
        pitch=rng.normal(12, 4),
        scale=rng.normal(1, 0.06),
    )


def inner_ear_layers(ear: InnerEar) -> list[Layer]:
    """Everything of one side, to be painted over the petrous bone."""
    return [*_canal(ear), *_labyrinth(ear), *_cochlea(ear)]


def cochlear_turns(ear: InnerEar) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Center line (N, 3) and radius (N,) of the lumen: 2.5 turns that narrow towards the apex, mm."""
    size = (ear.cochlea_volume / _UNIT_VOLUME) ** (1 / 3)
    angle = np.linspace(0, 5 * np.pi, 56)
    part = angle / angle[-1]
    spiral = 2.75 * (1 - part) ** 0.85 + 0.55
    local = np.stack([spiral * np.cos(angle), spiral * np.sin(angle) * 0.85, 3.3 * part - 1.5], axis=1) * size
    yaw, pitch = np.radians(ear.yaw), np.radians(ear.pitch)
    axis = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])
    across = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    frame = np.stack([across, np.cross(axis, across), axis])
    places = local @ frame * (ear.side, 1, 1) + ear.cochlea
    return places, (1.0 - 0.4 * part) * size


def _cochlea(ear: InnerEar) -> list[Layer]:
    places, radii = cochlear_turns(ear)
    points = as_points(places)
    return [
        *tube(Kind.MODIOLUS, points, list(_LABEL_REACH * radii)),
        *tube(Kind.MODIOLUS, [_mean(points[:22]), _mean(points[-16:])], [2.6 * radii[0], 1.2 * radii[-1]]),
        *tube(Kind.COCHLEA, points, list(_FLUID * radii)),
    ]


def _canal(ear: InnerEar) -> list[Layer]:
    mouth = _beyond(ear.fundus, ear.porus, 1.25)
    pons = (ear.side * 12.5, ear.porus[1] - 1.0, ear.porus[2] - 1.5)
    layers = tube(
        Kind.CSF,
        [ear.fundus, ear.porus, mouth],
        [0.75 * ear.canal_radius, ear.canal_radius, 1.6 * ear.canal_radius],
        over=(Kind.BONE, Kind.MARROW, Kind.AIR, Kind.MUCOSA),
    )
    for dy, dz in ((0.7, 0.8), (-0.7, 0.5), (0.6, -0.8)):  # facial, vestibular, cochlear nerve
        start, end = (_shifted(p, dy, dz) for p in (ear.fundus, ear.porus))
        layers += tube(Kind.NERVE, [start, end, pons], [0.35, 0.5, 0.6], over=(Kind.CSF,))
    return layers


def _labyrinth(ear: InnerEar) -> list[Layer]:
    side, size = ear.side, ear.scale
    cx, cy, cz = ear.cochlea
    vestibule = (cx + side * 2.2 * size, cy - 6.3 * size, cz + 0.9)
    vx, vy, vz = vestibule
    out = Kind.PERILYMPH
    lateral = (vx + side * 3.4 * size, vy - 1.2 * size, vz + 0.8)
    superior = (vx + side * 0.8, vy - 0.6 * size, vz + 4.3 * size)
    posterior = (vx + side * 2.0 * size, vy - 4.4 * size, vz + 0.8)
    return [
        ellipsoid(out, vestibule, (1.7 * size, 2.7 * size, 2.2 * size)),
        *ring(out, lateral, (side * 0.15, -0.3, 1.0), 3.1 * size, 0.62, (0, 360)),
        *ring(out, superior, (side * 0.7, -0.7, 0.1), 3.2 * size, 0.55, (0, 360)),
        *ring(out, posterior, (side * 0.7, 0.7, 0.1), 3.2 * size, 0.55, (0, 360)),
        *tube(out, [vestibule, (cx - side * 0.3, cy - 2.6, cz - 0.6)], [1.1, 0.9]),
    ]


def _beyond(start: Point, end: Point, factor: float) -> Point:
    a, b = np.asarray(start), np.asarray(end)
    return as_points((a + factor * (b - a))[None])[0]


def _mean(points: list[Point]) -> Point:
    return as_points(np.mean(points, axis=0)[None])[0]


def _shifted(point: Point, dy: float, dz: float) -> Point:
    return (point[0], point[1] + dy, point[2] + dz)
