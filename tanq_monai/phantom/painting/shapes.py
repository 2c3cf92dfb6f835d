"""Anatomy as data: layers of tissue whose shapes are conditions on distances and smooth random waves.

Positions in mm: x right, y anterior, z up. Layers are painted in order, so that later ones cover earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.tissues import Kind

Array = NDArray[np.float64]
Point = tuple[float, float, float]


class Field(IntEnum):
    """Scalar fields, mm; their formulas are in :mod:`tanq_monai.phantom.painting.kernel`."""

    ZERO = 0
    ELLIPSOID = 1
    ROD = 2
    PLANE = 3
    SLAB = 4
    FOSSA_FLOOR = 5
    TENTORIUM = 6
    SHELLS = 7


@dataclass(frozen=True)
class Waves:
    """Smooth random field of zero mean and unit variance: a sum of plane waves.

    Args:
        vectors: wave vectors, (N, 3), cycles / mm.
        phases: (N,), cycles.
    """

    vectors: Array
    phases: Array

    def __call__(self, x: Array, y: Array, z: Array) -> Array:
        """Field at the points, shape of the broadcast x, y, z."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape))
        for (kx, ky, kz), phase in zip(self.vectors, self.phases, strict=True):
            total += np.sin(2 * np.pi * (kx * x + ky * y + (kz * z + phase)))
        return total * self.scale

    @property
    def scale(self) -> float:
        """What the sum of sines is multiplied by for unit variance."""
        return float(np.sqrt(2 / len(self.phases)))

    @property
    def bound(self) -> float:
        """Largest absolute value that can occur."""
        return float(np.sqrt(2 * len(self.phases)))


def draw_waves(rng: np.random.Generator, wavelength: float, number: int = 6, spread: float = 0.3) -> Waves:
    """Waves in random directions; wavelengths (mm) vary by the fraction ``spread``."""
    directions = rng.standard_normal((number, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = wavelength * rng.uniform(1 - spread, 1 + spread, (number, 1))
    return Waves(directions / lengths, rng.uniform(0, 1, number))


@dataclass(frozen=True)
class Condition:
    """Where ``above < field + height * waves < below``.

    Args:
        field: which field.
        parameters: its up to eight parameters.
        below: upper limit, mm.
        above: lower limit, mm.
        waves: what roughens the field.
        height: of the roughness, mm per unit of ``waves``.
    """

    field: Field
    parameters: tuple[float, ...] = ()
    below: float = 0.0
    above: float = -np.inf
    waves: Waves | None = None
    height: float = 0.0

    @property
    def slack(self) -> float:
        """How much the waves may add, mm."""
        return abs(self.height) * self.waves.bound if self.waves else 0.0

    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of a box round the region, (3,) each, mm; infinite where it is not bounded."""
        p, reach = np.asarray(self.parameters), max(self.below + self.slack, 0.0)
        if self.field == Field.ELLIPSOID:
            half = p[3:6] + ELLIPSOID_SAFETY * reach
            return p[:3] - half, p[:3] + half
        if self.field == Field.ROD:
            ends, half = p[:6].reshape(2, 3), p[6:8].max() + reach
            return ends.min(0) - half, ends.max(0) + half
        return np.full(3, -np.inf), np.full(3, np.inf)


ELLIPSOID_SAFETY = 1.25
"""An ellipsoid's distance is exact to first order only: limits are taken this much wider where a box has to hold it."""


@dataclass(frozen=True)
class Layer:
    """One stroke of the brush.

    Args:
        kind: the tissue.
        conditions: all must hold.
        over: tissues that it replaces; empty: all.
    """

    kind: Kind
    conditions: tuple[Condition, ...]
    over: tuple[Kind, ...] = ()

    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of a box round the layer, mm."""
        lows, highs = zip(*(condition.box() for condition in self.conditions), strict=True)
        return np.max(lows, axis=0), np.min(highs, axis=0)


def ellipsoid(
    center: Point, radii: Point, *, below: float = 0.0, waves: Waves | None = None, height: float = 0.0
) -> Condition:
    """Inside of an ellipsoid with its axes along x, y, z: signed distance to first order, exact for a sphere."""
    return Condition(Field.ELLIPSOID, (*center, *radii), below=below, waves=waves, height=height)


def rod(
    start: Point,
    end: Point,
    radii: tuple[float, float],
    *,
    below: float = 0.0,
    waves: Waves | None = None,
    height: float = 0.0,
) -> Condition:
    """Inside of a rod with round ends whose radius changes linearly from ``start`` to ``end``: signed distance."""
    return Condition(Field.ROD, (*start, *end, *radii), below=below, waves=waves, height=height)


def half_space(normal: Point, offset: float, *, waves: Waves | None = None, height: float = 0.0) -> Condition:
    """Where ``normal . position < offset``; the normal need not be of unit length."""
    return Condition(Field.PLANE, (*normal, offset), waves=waves, height=height)


def slab(normal: Point, offset: float, half: float) -> Condition:
    """Where ``|normal . position - offset| < half``."""
    return Condition(Field.SLAB, (*normal, offset, half))


def waves_between(waves: Waves, low: float, high: float) -> Condition:
    """Where the waves are between two values."""
    return Condition(Field.ZERO, below=high, above=low, waves=waves, height=1.0)


def near_shells(
    center: Point, *, flattening: float, distance: float, half: float, waves: Waves, height: float
) -> Condition:
    """Within ``half`` mm of concentric shells, ``distance`` mm apart, that waves of a ``height`` in mm bend."""
    return Condition(Field.SHELLS, (*center, flattening, distance), below=half, waves=waves, height=height)


def outside(condition: Condition) -> Condition:
    """The other side of a condition with an upper limit only."""
    return Condition(
        condition.field, condition.parameters, np.inf, condition.below, condition.waves, condition.height
    )  # fmt: skip


def solid(kind: Kind, center: Point, radii: Point, over: tuple[Kind, ...] = ()) -> Layer:
    """Solid ellipsoid with its axes along x, y, z."""
    return Layer(kind, (ellipsoid(center, radii),), over)


def tube(
    kind: Kind, points: Sequence[Point], radii: Sequence[float] | float, over: tuple[Kind, ...] = ()
) -> list[Layer]:
    """Tube along a polyline, one layer per segment, with the radius given at each point (or one for all)."""
    thickness = [float(radii)] * len(points) if isinstance(radii, int | float) else [float(r) for r in radii]
    return [
        Layer(kind, (rod(points[i], points[i + 1], (thickness[i], thickness[i + 1])),), over)
        for i in range(len(points) - 1)
    ]


def ring(
    kind: Kind,
    center: Point,
    normal: Point,
    radius: float,
    thickness: float,
    over: tuple[Kind, ...] = (),
) -> list[Layer]:
    """A torus, as a tube: a semicircular canal with its vestibular side."""
    n = np.asarray(normal, float) / np.linalg.norm(normal)
    first = np.cross(n, (0.0, 0.0, 1.0)) if abs(n[2]) < 0.9 else np.cross((0.0, 1.0, 0.0), n)
    first /= np.linalg.norm(first)
    second = np.cross(n, first)
    angles = np.radians(np.linspace(0, 360, 19))
    places = np.asarray(center) + radius * (np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second)
    return tube(kind, as_points(places), thickness, over)


def as_points(array: Array) -> list[Point]:
    """Rows of an (N, 3) array as points."""
    return [(float(p[0]), float(p[1]), float(p[2])) for p in array]
