"""What else a head may hold: masses that are no schwannoma, fluid in sinuses and mastoids. All of it is background."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.anatomy.face import maxillary_sinus
from tanq_monai.phantom.anatomy.head import BRAIN, Head, sphenoid_sinus
from tanq_monai.phantom.anatomy.petrous import mastoid_cells
from tanq_monai.phantom.draws import log_uniform
from tanq_monai.phantom.painting.shapes import Condition, Layer, Point, Waves, draw_waves, ellipsoid
from tanq_monai.phantom.tissues import Kind, Tissue

_SOLID_SHARE = 0.6
_EAR_REACH = 24.0  # mm from a cochlea and a porus that stay free of masses
_RADIUS = (2.5, 14.0)  # mm
_DURAL_RADIUS, _DURAL_SOLID_SHARE = (4.0, 11.0), 0.75  # mm
_BOX = ((-75.0, -95.0, -40.0), (75.0, 95.0, 70.0))  # of their centers
_FILLED = {"maxilla": 0.25, "sphenoid": 0.15, "mastoid": 0.2}  # how often
_TISSUES = (*BRAIN, Kind.CSF, Kind.FAT, Kind.MUSCLE, Kind.SKIN, Kind.MARROW, Kind.MUCOSA)


@dataclass(frozen=True)
class Mass:
    """One mass.

    Args:
        kind: solid or fluid.
        center: mm.
        radii: along x, y, z, mm.
        waves: that make it lobulated.
    """

    kind: Kind
    center: Point
    radii: Point
    waves: Waves


@dataclass(frozen=True)
class Findings:
    """All that one head holds besides.

    Args:
        masses: some, or none.
        swollen: air spaces that are filled, and with what.
        tissues: of the masses.
    """

    masses: tuple[Mass, ...]
    swollen: tuple[tuple[Condition, Kind], ...]
    tissues: dict[Kind, Tissue]

    def layers(self) -> list[Layer]:
        """Masses in soft tissue and marrow, fillings in air; the ears and a schwannoma are painted over them."""
        masses = [
            Layer(mass.kind, (ellipsoid(mass.center, mass.radii, waves=mass.waves, height=1.2),), over=_TISSUES)
            for mass in self.masses
        ]
        return [*masses, *(Layer(kind, (space,), over=(Kind.AIR,)) for space, kind in self.swollen)]


def draw_findings(rng: np.random.Generator, head: Head, spared: tuple[Point, ...]) -> Findings:
    """Up to three masses away from the points that are spared (mm), and fillings of some air spaces."""
    masses = tuple(_draw_mass(rng, spared) for _ in range(int(rng.integers(0, 4))))
    spaces = [
        *(("maxilla", maxillary_sinus(side)) for side in (1, -1)),
        ("sphenoid", sphenoid_sinus()),
        *(("mastoid", part) for side in (1, -1) for part in mastoid_cells(head, side)),
    ]
    swollen = tuple(
        (space, Kind.MUCOSA if rng.random() < 0.5 else Kind.MASS_FLUID)
        for name, space in spaces
        if rng.random() < _FILLED[name]
    )
    t2, fluid_t2 = (log_uniform(rng, limits) for limits in ((55, 250), (150, 2000)))
    tissues = {
        Kind.MASS: Tissue(float(rng.uniform(380, 1500)), t2, float(rng.uniform(0.75, 0.95))),
        Kind.MASS_FLUID: Tissue(float(rng.uniform(1500, 4200)), fluid_t2, 0.97),
    }
    return Findings(masses, swollen, tissues)


def draw_dural_mass(rng: np.random.Generator, porus: Point) -> Mass:
    """A meningioma, or a cyst, on the back of the petrous bone beside a canal that it does not enter."""
    side = 1.0 if porus[0] > 0 else -1.0
    kind = Kind.MASS if rng.random() < _DURAL_SOLID_SHARE else Kind.MASS_FLUID
    radius = log_uniform(rng, _DURAL_RADIUS)
    away = rng.normal(0, 1, 2)
    back, up = (radius + 2.0) * away / np.linalg.norm(away)  # eccentric to the porus, as a schwannoma is not
    center = (porus[0] - side * 0.8 * radius, porus[1] - abs(float(back)), porus[2] + float(up))
    a, b, c = (float(value) for value in radius * rng.uniform(0.8, 1.3, 3))
    return Mass(kind, center, (a, b, c), draw_waves(rng, wavelength=2.5 * radius))


def _draw_mass(rng: np.random.Generator, spared: tuple[Point, ...]) -> Mass:
    kind = Kind.MASS if rng.random() < _SOLID_SHARE else Kind.MASS_FLUID
    radius = log_uniform(rng, _RADIUS)
    while True:
        x, y, z = (float(value) for value in rng.uniform(*_BOX))
        if all(np.linalg.norm(np.subtract((x, y, z), point)) > _EAR_REACH + radius for point in spared):
            break
    a, b, c = (float(value) for value in radius * rng.uniform(0.7, 1.4, 3))
    return Mass(kind, (x, y, z), (a, b, c), draw_waves(rng, wavelength=2.5 * radius))
