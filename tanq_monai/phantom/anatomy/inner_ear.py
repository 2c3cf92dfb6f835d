"""The inner ear in the petrous bone: canal with nerves, vestibule, semicircular canals, cochlea."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.anatomy.cochlea import cochlea_layers, cochlear_turns, label_layers
from tanq_monai.phantom.painting.shapes import Array, Layer, Point, as_points, ring, solid, tube
from tanq_monai.phantom.tissues import Kind

_CAVITIES = (Kind.BONE, Kind.MARROW, Kind.AIR, Kind.MUCOSA)
_LATERAL_TILT = 28.0  # degrees: its front is higher


@dataclass(frozen=True)
class InnerEar:
    """One side's inner ear.

    Args:
        side: +1 right, -1 left.
        cochlea: center of the cochlea, mm.
        cochlea_size: its scale; 1 is 8.2 mm from the round window to the opposite wall.
        fluid: width of its turns relative to the average.
        fundus: lateral end of the internal auditory canal, mm.
        porus: its opening into the cerebellopontine angle, mm.
        canal_radius: mm.
        yaw: direction of the cochlea's axis in the axial plane, degrees from lateral to anterior.
        pitch: of the same axis below the axial plane, degrees.
        scale: of vestibule and semicircular canals.
    """

    side: int
    cochlea: Point
    cochlea_size: float
    fluid: float
    fundus: Point
    porus: Point
    canal_radius: float
    yaw: float
    pitch: float
    scale: float

    @property
    def turns(self) -> tuple[Array, Array]:
        """Center line (N, 3) about the cochlea's center and radius (N,) of its lumen, mm."""
        return cochlear_turns(self.cochlea_size, self.yaw, self.pitch, self.side)

    def place(self, lateral: float, anterior: float, up: float) -> Point:
        """Position of a point given relative to the cochlea, mm."""
        x, y, z = self.cochlea
        return (x + self.side * lateral, y + anterior, z + up)


def draw_inner_ear(
    rng: np.random.Generator, side: int, cochlea: Point, cochlea_size: float, cochlea_fluid: float
) -> InnerEar:
    """A random inner ear round a given cochlea. The internal auditory canal is 10 to 12 mm long and 4 to 6 mm wide."""
    jitter = rng.normal(0, 0.3, 5)
    length = rng.uniform(10.0, 12.0)
    lateral, anterior, up = -2.5 + jitter[0], -4.3 + jitter[1], 1.3 + jitter[2]
    x, y, z = cochlea
    return InnerEar(
        side=side,
        cochlea=cochlea,
        cochlea_size=cochlea_size,
        fluid=cochlea_fluid,
        fundus=(x + side * lateral, y + anterior, z + up),
        porus=(x + side * (lateral - length), y + anterior - 2.4 + jitter[3], z + up + 0.9 + jitter[4]),
        canal_radius=rng.uniform(2.0, 2.7),
        yaw=rng.normal(56, 2.5),
        pitch=rng.normal(12, 3),
        scale=rng.normal(1, 0.05),
    )


def inner_ear_layers(ear: InnerEar) -> list[Layer]:
    """Everything of one side, to be painted over the petrous bone: dense bone without cells, and what is in it."""
    capsule = [
        solid(
            Kind.BONE, ear.place(4.0, -7.0, 2.2), (7.5 * ear.scale, 8.0 * ear.scale, 7.5 * ear.scale), over=_CAVITIES
        ),
        solid(Kind.BONE, ear.cochlea, (5.0, 5.0, 5.0), over=_CAVITIES),
    ]
    return [*capsule, *canal_layers(ear), *_labyrinth(ear), *cochlea_layers(ear.cochlea, ear.turns, ear.fluid)]


def cochlea_label_layers(ear: InnerEar) -> list[Layer]:
    """The part of the cochlea that is labelled, alone."""
    return label_layers(ear.cochlea, ear.turns, ear.fluid)


def canal_layers(ear: InnerEar) -> list[Layer]:
    """Internal auditory canal with its four nerves, which go on to the brainstem, and the bone round it.

    In the canal the facial nerve lies in front and above, the cochlear nerve in front and below, the two vestibular
    nerves behind; the cochlear nerve ends in the modiolus, the vestibular nerves at the vestibule.
    """
    fundus, porus = np.asarray(ear.fundus), np.asarray(ear.porus)
    wide, mouth = as_points(fundus + np.array([[0.85], [1.3]]) * (porus - fundus))
    radii = [0.8 * ear.canal_radius, ear.canal_radius, 1.8 * ear.canal_radius]
    layers = tube(Kind.CSF, [ear.fundus, wide, mouth], radii, over=_CAVITIES)
    pons = np.array([ear.side * 13.0, porus[1] - 0.5, porus[2] - 2.5])
    spread = 0.42 * ear.canal_radius
    ends: tuple[tuple[float, float, float, Point], ...] = (
        (1, 1, 0.42, ear.place(-0.6, -3.4, 3.0)),  # facial, on its way to the geniculate ganglion
        (1, -1, 0.48, ear.place(-0.9, -1.4, 0.3)),  # cochlear
        (-1, 1, 0.42, ear.place(0.6, -5.0, 2.2)),  # superior vestibular
        (-1, -1, 0.38, ear.place(0.4, -5.0, 0.6)),  # inferior vestibular
    )
    for forward, upward, radius, end in ends:
        way = np.array([0.0, 0.62 * spread * forward, 0.8 * spread * upward])
        path = as_points(np.stack([fundus + 1.15 * way, porus + 0.8 * way, pons + 0.6 * way]))
        layers += tube(Kind.NERVE, path, [radius, radius, 1.3 * radius], over=(Kind.CSF,))
        layers += tube(Kind.NERVE, [path[0], end], [radius, 0.3], over=(Kind.BONE, Kind.CSF))
    return layers


def _labyrinth(ear: InnerEar) -> list[Layer]:
    """Vestibule and the three semicircular canals, radii of curvature 3.2 to 3.7 mm, with their ampullae."""
    size, fluid = ear.scale, Kind.PERILYMPH
    vestibule = (2.6, -6.2, 1.2)

    def at(lateral: float, anterior: float, up: float) -> Point:
        return ear.place(*(v + size * d for v, d in zip(vestibule, (lateral, anterior, up), strict=True)))

    tilt = np.radians(_LATERAL_TILT)
    out = float(ear.side)
    window = as_points(ear.turns[0][:1] + np.asarray(ear.cochlea))[0]
    return [
        solid(fluid, at(0, 0, 0), (1.6 * size, 2.6 * size, 2.2 * size)),
        *ring(fluid, at(3.3, -1.2, 0.5), (0.0, -np.sin(tilt), np.cos(tilt)), 3.2 * size, 0.56),
        *ring(fluid, at(1.3, 1.2, 2.9), (0.71 * out, -0.71, 0.08), 3.6 * size, 0.54),
        *ring(fluid, at(1.8, -3.2, -0.3), (0.71 * out, 0.71, 0.0), 3.4 * size, 0.54),
        *tube(fluid, [at(-0.2, -1.0, 0.8), at(-0.6, -1.5, 3.6)], 0.7),  # common crus
        *tube(fluid, [at(0.6, 1.6, 1.0), at(1.9, 1.9, 1.2)], [1.3, 1.0]),  # anterior ampullae
        *tube(fluid, [at(0.2, -1.8, -1.2), at(0.9, -2.3, -2.6)], [1.1, 0.9]),  # posterior ampulla
        *tube(fluid, [at(-0.3, 1.2, -0.8), window], [1.2, 0.75]),  # towards the cochlea's base
    ]
