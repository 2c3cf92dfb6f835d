"""The static field of one scan: what the shim leaves, and the air in the skull base."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARMOR = 63.87
"""Of protons at 1.5 T, MHz, so that 1 ppm is 63.87 Hz."""
AIR_AGAINST_TISSUE = 9.4
"""Difference of the volume susceptibilities of air and tissue, ppm (SI)."""

_CAVITIES = (
    # center (right, anterior, superior) and radius of a sphere of about its volume, mm
    ((-5.0, 35.0, -1.0), 9.0),  # sphenoid sinus
    ((52.0, -16.0, -3.0), 11.0),  # right mastoid
    ((-52.0, -16.0, -3.0), 11.0),  # left mastoid
    ((46.0, 4.0, -2.0), 4.5),  # right middle ear with the end of the ear canal
    ((-46.0, 4.0, -2.0), 4.5),  # left
)
_CENTER_SPREAD = 1.0  # mm, standard deviation
_EFFECT = (0.15, 0.25)
# of a sphere full of air: cells and septa are bone and mucosa, no cavity is a sphere, and the shim takes its share
_SHIM_OFFSET = 4.0  # Hz, standard deviation of the resonance frequency's error
_SHIM_GRADIENT = 0.10  # Hz/mm along each axis
_SHIM_CURVATURE = 0.0010  # Hz/mm^2 of each harmonic of second order

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class AirSphere:
    r"""A sphere of air in tissue, in a field along z.

    Outside it is a dipole, :math:`\nu = \nu_0 \, a^3 (3 z^2 - r^2) / (2 r^5)` with :math:`\nu_0` at the poles, half of
    that and negative round the equator. Inside there is nothing to measure but partial volume: r in the denominator
    stays at a, which is continuous and bounded.

    Args:
        center: mm.
        radius: a, mm.
        pole: :math:`\nu_0`, Hz.
    """

    center: tuple[float, float, float]
    radius: float
    pole: float

    def field(self, x: Array, y: Array, z: Array) -> Array:
        """Shift of the resonance at positions in mm, Hz."""
        dx, dy, dz = x - self.center[0], y - self.center[1], z - self.center[2]
        square = dx * dx + dy * dy + dz * dz
        distance = np.sqrt(np.maximum(square, self.radius**2))
        shift: Array = (0.5 * self.pole * self.radius**3) * (3 * dz * dz - square) / distance**5
        return shift


@dataclass(frozen=True)
class OffResonance:
    r"""Static field of one scan, as a shift of the resonance in Hz at 1.5 T.

    Origin between the cochleae; x right, y anterior, z up (and along the field), mm.

    Args:
        offset: error of the scanner's frequency, Hz.
        gradient: along x, y, z, Hz/mm.
        curvature: of the harmonics xy, yz, xz, :math:`x^2 - y^2` and :math:`z^2 - (x^2 + y^2) / 2`, Hz/mm^2.
        cavities: of the skull base.
    """

    offset: float
    gradient: tuple[float, float, float]
    curvature: tuple[float, float, float, float, float]
    cavities: tuple[AirSphere, ...]

    def field(self, x: Array, y: Array, z: Array) -> Array:
        """Shift of the resonance in Hz at positions in mm, in the broadcast shape and the precision of these."""
        gx, gy, gz = self.gradient
        xy, yz, xz, saddle, axial = self.curvature
        shift = (self.offset + gx * x + (saddle - axial / 2) * x * x) + (gy * y - (saddle + axial / 2) * y * y)
        shift = shift + (xy * x * y + yz * y * z + xz * x * z) + (gz * z + axial * z * z)
        for cavity in self.cavities:
            shift = shift + cavity.field(x, y, z)
        return shift


def draw_off_resonance(rng: np.random.Generator) -> OffResonance:
    r"""The field of a random scan: below 30 Hz in nearly all of the brain, up to 60-100 Hz beside the air.

    A full sphere of air shifts the resonance at its poles by
    :math:`\nu_0 = \tfrac{2}{3} \cdot 9.4\,ppm \cdot 63.87\,MHz = 400\,Hz`; 15-25 % of it are applied. Around the
    inner ear the cavities add up to a few Hz.

    References:
        Schenck, "The role of magnetic susceptibility in magnetic resonance imaging", Med. Phys. 23, 1996: the
        sphere and the susceptibilities. The strength of the shim's remainder is our choice.
    """
    full = 2 / 3 * AIR_AGAINST_TISSUE * LARMOR
    cavities = []
    for center, radius in _CAVITIES:
        x, y, z = (float(c) for c in np.asarray(center) + rng.normal(0, _CENTER_SPREAD, 3))
        cavities.append(AirSphere((x, y, z), radius, pole=full * float(rng.uniform(*_EFFECT))))
    gx, gy, gz = (float(g) for g in rng.normal(0, _SHIM_GRADIENT, 3))
    xy, yz, xz, saddle, axial = (float(c) for c in rng.normal(0, _SHIM_CURVATURE, 5))
    return OffResonance(
        offset=float(rng.normal(0, _SHIM_OFFSET)),
        gradient=(gx, gy, gz),
        curvature=(xy, yz, xz, saddle, axial),
        cavities=tuple(cavities),
    )
