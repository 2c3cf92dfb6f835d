"""Solids of the anatomy and smooth random fields. Positions in mm: x right, y anterior, z up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.tissues import Kind

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Point = tuple[float, float, float]
Inside = Callable[[Array, Array, Array], Mask]


@dataclass(frozen=True)
class Layer:
    """One stroke of the brush: a tissue, where it goes, and what it may cover.

    Args:
        kind: the tissue.
        low: lower corner of a box around the region, mm.
        high: upper corner.
        inside: x, y, z (arrays of one shape, mm) -> membership.
        over: tissues that it replaces; empty: all.
    """

    kind: Kind
    low: Point
    high: Point
    inside: Inside
    over: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class Waves:
    """Smooth random field of zero mean and unit variance: a sum of plane waves.

    Args:
        vectors: wave vectors, (N, 3), rad / mm.
        phases: (N,), rad.
    """

    vectors: NDArray[np.float64]
    phases: NDArray[np.float64]

    def __call__(self, x: Array, y: Array, z: Array) -> Array:
        """Field at the points, same shape as ``x``."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for (kx, ky, kz), phase in zip(self.vectors.astype(np.float32), self.phases, strict=True):
            total += np.sin(kx * x + ky * y + (kz * z + np.float32(phase)))
        return total * np.float32(np.sqrt(2 / len(self.phases)))


def draw_waves(rng: np.random.Generator, wavelength: float, number: int = 6, spread: float = 0.3) -> Waves:
    """Waves in random directions; wavelengths (mm) vary by the fraction ``spread``."""
    directions = rng.standard_normal((number, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = wavelength * rng.uniform(1 - spread, 1 + spread, (number, 1))
    return Waves(directions * 2 * np.pi / lengths, rng.uniform(0, 2 * np.pi, number))


def ellipsoid_distance(x: Array, y: Array, z: Array, center: Point, radii: Point) -> Array:
    """Signed distance to an ellipsoid, to first order (exact for a sphere), mm; negative inside."""
    cx, cy, cz = (np.float32(c) for c in center)
    rx, ry, rz = (np.float32(r) for r in radii)
    u, v, w = (x - cx) / rx, (y - cy) / ry, (z - cz) / rz
    uu, vv, ww = u * u, v * v, w * w
    level = np.sqrt(uu + vv + ww)
    slope = np.sqrt(uu / (rx * rx) + vv / (ry * ry) + ww / (rz * rz))
    result: Array = level * (level - 1) / np.maximum(slope, np.float32(1e-6))
    return result


def cone_distance(x: Array, y: Array, z: Array, start: Point, end: Point, radii: tuple[float, float]) -> Array:
    """Signed distance to a rod with round ends whose radius changes linearly between its ends, mm."""
    a, d = np.asarray(start), np.asarray(end) - np.asarray(start)
    length2 = max(float(d @ d), 1e-9)
    px, py, pz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
    along = (px * np.float32(d[0]) + py * np.float32(d[1]) + pz * np.float32(d[2])) / np.float32(length2)
    along = np.clip(along, 0, 1)
    dx, dy, dz = (p - along * np.float32(step) for p, step in zip((px, py, pz), d, strict=True))
    radius = np.float32(radii[0]) + along * np.float32(radii[1] - radii[0])
    result: Array = np.sqrt(dx * dx + dy * dy + dz * dz) - radius
    return result


def ellipsoid(kind: Kind, center: Point, radii: Point, over: tuple[Kind, ...] = ()) -> Layer:
    """Solid ellipsoid with its axes along x, y, z."""

    def inside(x: Array, y: Array, z: Array) -> Mask:
        u, v, w = (
            (position - np.float32(middle)) / np.float32(radius)
            for position, middle, radius in zip((x, y, z), center, radii, strict=True)
        )
        result: Mask = u * u + v * v + w * w < 1
        return result

    low, high = _box([center], max_radius=radii)
    return Layer(kind, low, high, inside, over)


def tube(
    kind: Kind, points: Sequence[Point], radii: Sequence[float] | float, over: tuple[Kind, ...] = ()
) -> list[Layer]:
    """Tube along a polyline, one layer per segment, with the radius given at each point (or one for all)."""
    thickness = [float(radii)] * len(points) if isinstance(radii, int | float) else [float(r) for r in radii]
    return [
        _rod(kind, points[i], points[i + 1], (thickness[i], thickness[i + 1]), over) for i in range(len(points) - 1)
    ]


def ring(
    kind: Kind, center: Point, normal: Point, radius: float, thickness: float, arc: tuple[float, float]
) -> list[Layer]:
    """Part of a torus: a semicircular canal. ``arc`` in degrees, 0 along x (or y where the normal is x)."""
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    first = np.cross(n, (0.0, 0.0, 1.0)) if abs(n[2]) < 0.9 else np.cross((0.0, 1.0, 0.0), n)
    first /= np.linalg.norm(first)
    second = np.cross(n, first)
    angles = np.radians(np.linspace(*arc, 19))
    places = np.asarray(center) + radius * (np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second)
    return tube(kind, as_points(places), thickness)


def as_points(array: NDArray[np.float64]) -> list[Point]:
    """Rows of an (N, 3) array as points."""
    return [(float(p[0]), float(p[1]), float(p[2])) for p in array]


def _rod(kind: Kind, start: Point, end: Point, radii: tuple[float, float], over: tuple[Kind, ...]) -> Layer:
    r = max(radii)
    low, high = _box([start, end], max_radius=(r, r, r))
    return Layer(kind, low, high, lambda x, y, z: cone_distance(x, y, z, start, end, radii) < 0, over)


def _box(points: Iterable[Point], max_radius: Point) -> tuple[Point, Point]:
    array, radius = np.asarray(list(points)), np.asarray(max_radius)
    low, high = array.min(0) - radius, array.max(0) + radius
    return as_points(low[None])[0], as_points(high[None])[0]
