"""A vestibular schwannoma: a root in the internal auditory canal and a body in the cerebellopontine angle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.inner_ear import InnerEar
from tanq_monai.phantom.shapes import (
    Array,
    Layer,
    Mask,
    Point,
    Waves,
    as_points,
    cone_distance,
    draw_waves,
    ellipsoid_distance,
    tube,
)
from tanq_monai.phantom.tissues import VS_KINDS, Kind

_LOG10_VOLUME = (3.143, 0.464)  # of 240 contours of the public VS-SEG data, mm^3
_VOLUME_RANGE = (239.0, 6776.0)  # their 5th and 95th percentile
_REPLACED = (
    Kind.NERVE,
    Kind.CSF,
    Kind.BONE,
    Kind.MARROW,
    Kind.WHITE_MATTER,
    Kind.GRAY_MATTER,
    Kind.BLOOD,
    Kind.ENHANCING,
    Kind.AIR,
    Kind.MUCOSA,
)
_ROOM = 1.2  # mm of CSF between the tumor and the brain that it pushes aside


@dataclass(frozen=True)
class Schwannoma:
    """One tumor.

    Args:
        volume: mm^3.
        body: center of the part outside the canal, mm.
        radii: of the body, mm.
        tip: lateral end of the root, mm.
        porus: medial end of the root, mm.
        root_radii: of the root at tip and porus, mm.
        bumps: roughens the surface of the body.
        roughness: height of the bumps, mm.
        texture: where the tissue is loose.
        looseness: threshold of ``texture``: about -2 (all loose) to 2 (none).
        cysts: center and radius of every cyst, mm.
    """

    volume: float
    body: Point
    radii: Point
    tip: Point
    porus: Point
    root_radii: tuple[float, float]
    bumps: Waves
    roughness: float
    texture: Waves
    looseness: float
    cysts: tuple[tuple[Point, float], ...]

    def distance(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance to the surface, mm, negative inside."""
        root = cone_distance(x, y, z, self.tip, self.porus, self.root_radii)
        body = ellipsoid_distance(x, y, z, self.body, self.radii) + self.roughness * self.bumps(x, y, z)
        return np.minimum(root, body)


def draw_schwannoma(rng: np.random.Generator, ear: InnerEar) -> Schwannoma:
    """A tumor that grew from ``ear``'s canal.

    Volume is log-normal; where the body lies and how it is stretched follows the volume as in the public
    VS-SEG contours: small ones fill the canal, large ones lie medial and posterior of it.
    """
    volume = float(np.clip(10 ** rng.normal(*_LOG10_VOLUME), *_VOLUME_RANGE))
    growth = np.log10(volume) - 2.3
    offset = np.array([-8.0 - 5.5 * growth, -5.2 - 4.0 * growth, 2.2 + 1.1 * growth])
    offset = (offset + rng.normal(0, (1.3, 1.2, 1.0))) * (ear.side, 1, 1)
    body = as_points((np.asarray(ear.cochlea) + offset)[None])[0]
    proportions = np.array([0.97, 1.0, 0.78 + 0.1 * growth]) * rng.normal(1, 0.06, 3)
    root = min(ear.canal_radius + 0.2, 0.22 * volume ** (1 / 3) + 0.4)
    fundus, porus = np.asarray(ear.fundus), np.asarray(ear.porus)
    tip = fundus + rng.uniform(0.0, 0.3) * (porus - fundus)
    end = porus if volume > 500 else np.asarray(body)
    tumor = Schwannoma(
        volume=volume,
        body=body,
        radii=(1, 1, 1),
        tip=as_points(tip[None])[0],
        porus=as_points(end[None])[0],
        root_radii=(0.75 * root, root),
        bumps=draw_waves(rng, wavelength=1.6 * volume ** (1 / 3)),
        roughness=0.035 * volume ** (1 / 3) * rng.uniform(0.4, 1),
        texture=draw_waves(rng, wavelength=max(4.0, 0.5 * volume ** (1 / 3)), number=10, spread=0.6),
        looseness=rng.uniform(0.3, 1.6),
        cysts=(),
    )
    return _with_cysts(rng, _filled_to_volume(tumor, proportions))


def schwannoma_layers(tumor: Schwannoma) -> list[Layer]:
    """The tumor, with a thin cleft of CSF against the brain; replaces everything but inner ear fluid."""
    reach = max(tumor.radii) + 3 * tumor.roughness + _ROOM
    corners = np.array([tumor.body, tumor.tip, tumor.porus])
    low = as_points((corners.min(0) - reach)[None])[0]
    high = as_points((corners.max(0) + reach)[None])[0]

    def cleft(x: Array, y: Array, z: Array) -> Mask:
        return tumor.distance(x, y, z) < _ROOM

    def solid(x: Array, y: Array, z: Array) -> Mask:
        return tumor.distance(x, y, z) < 0

    def loose(x: Array, y: Array, z: Array) -> Mask:
        return tumor.texture(x, y, z) > tumor.looseness

    layers = [
        Layer(Kind.CSF, low, high, cleft, over=(Kind.WHITE_MATTER, Kind.GRAY_MATTER)),
        Layer(Kind.VS, low, high, solid, over=_REPLACED),
        Layer(Kind.VS_PALE, low, high, loose, over=(Kind.VS,)),
    ]
    for center, radius in tumor.cysts:
        layers += tube(Kind.VS_CYST, [center, center], radius, over=VS_KINDS)
    return layers


def _filled_to_volume(tumor: Schwannoma, proportions: NDArray[np.float64]) -> Schwannoma:
    """Scale the body until root and body together have the volume (bisection on a 0.8 mm grid)."""
    step = 0.8
    extent = 0.5 * tumor.volume ** (1 / 3) * 1.9 + 2
    corners = np.array([tumor.body, tumor.tip, tumor.porus])
    axes = [
        np.arange(low - extent, high + extent, step, dtype=np.float32)
        for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    small, large = 0.3, extent
    for _ in range(9):
        middle = (small + large) / 2
        tumor = _with_radius(tumor, proportions, middle)
        too_large = float(np.count_nonzero(tumor.distance(x, y, z) < 0)) * step**3 > tumor.volume
        small, large = (small, middle) if too_large else (middle, large)
    return tumor


def _with_radius(tumor: Schwannoma, proportions: NDArray[np.float64], radius: float) -> Schwannoma:
    rx, ry, rz = (float(p) * radius for p in proportions)
    return Schwannoma(**{**vars(tumor), "radii": (rx, ry, rz)})


def _with_cysts(rng: np.random.Generator, tumor: Schwannoma) -> Schwannoma:
    """Cysts in some tumors, mostly in large ones, none that reaches the surface."""
    likely = np.clip(0.45 * (np.log10(tumor.volume) - 2.6), 0, 0.5)
    number = int(rng.integers(1, 5)) if rng.random() < likely else 0
    radius = min(tumor.radii)
    cysts = []
    for _ in range(number):
        place = np.asarray(tumor.body) + rng.uniform(-0.45, 0.45, 3) * tumor.radii
        cysts.append((as_points(place[None])[0], float(rng.uniform(0.15, 0.4) * radius)))
    return Schwannoma(**{**vars(tumor), "cysts": tuple(cysts)})
