"""The head round the brain: scalp, skull, skull base."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.painting.shapes import (
    Condition,
    Field,
    Layer,
    Point,
    Waves,
    draw_waves,
    ellipsoid,
    half_space,
    outside,
    solid,
    tube,
    waves_between,
)
from tanq_monai.phantom.tissues import Kind

BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)
VAULT: Point = (0.0, -2.0, 46.0)
"""Center of the skull's vault, mm."""
_VAULT_RADII = (69.0, 91.0, 78.0)  # of its outer surface
_POSTERIOR_FOSSA: tuple[Point, Point] = ((0.0, -36.0, -4.0), (61.0, 42.0, 33.0))
_SKIN = 2.0  # thickness, mm
_FAT = 3.5
_FLOOR_WAVES = 1.5  # unevenness of the cranial fossae, mm


@dataclass(frozen=True)
class Head:
    """What varies between heads.

    Args:
        size: of head and skull, about 1.
        ridge: shift of the petrous ridge against the brain, mm.
        air: how much of the mastoid is air: -1 sclerotic, 1 fully pneumatized.
        apex_marrow: fatty marrow in the petrous apex, right and left.
        vessel_size: of the venous sinuses, right and left.
        ventricles: width of the ventricles, about 1.
        folds: gyri and sulci (wavelength about 20 mm).
        fine_folds: of the same, about 11 mm.
        folia: of the cerebellum.
        cells: air cells (about 5 mm).
        trabeculae: of petrous bone (about 2 mm).
        patches: muscle and fat below the skull base.
    """

    size: float
    ridge: float
    air: float
    apex_marrow: tuple[bool, bool]
    vessel_size: tuple[float, float]
    ventricles: float
    folds: Waves
    fine_folds: Waves
    folia: Waves
    cells: Waves
    trabeculae: Waves
    patches: Waves


def draw_head(rng: np.random.Generator) -> Head:
    """A random head."""
    right, left = rng.random(2) < 0.45
    return Head(
        size=rng.normal(1, 0.025),
        ridge=rng.normal(0, 1.0),
        air=rng.uniform(-0.2, 0.9),
        apex_marrow=(bool(right), bool(left)),
        vessel_size=(rng.uniform(0.8, 1.2), rng.uniform(0.7, 1.1)),
        ventricles=rng.normal(1, 0.12),
        folds=draw_waves(rng, wavelength=22, number=9),
        fine_folds=draw_waves(rng, wavelength=11, number=7),
        folia=draw_waves(rng, wavelength=9, number=7),
        cells=draw_waves(rng, wavelength=5.5, number=9),
        trabeculae=draw_waves(rng, wavelength=1.9, number=9),
        patches=draw_waves(rng, wavelength=16, number=7),
    )


def head_layers(head: Head) -> list[Layer]:
    """Skin, fat and muscle, then the skull with its marrow, filled with CSF."""
    layers = [
        Layer(kind, (ellipsoid(center, _shrunk(radii, head.size, depth)),))
        for kind, depth in ((Kind.SKIN, 0.0), (Kind.FAT, _SKIN), (Kind.MUSCLE, _SKIN + _FAT))
        for center, radii in _OUTLINE
    ]
    streaks = waves_between(head.patches, 0.75, np.inf)
    layers += [
        Layer(Kind.FAT, (ellipsoid(center, _shrunk(radii, head.size, 0.0)), streaks), over=(Kind.MUSCLE,))
        for center, radii in _OUTLINE
    ]
    for kind, depth in ((Kind.BONE, 0.0), (Kind.MARROW, 2.0), (Kind.BONE, 4.6), (Kind.CSF, 6.6)):
        layers += [Layer(kind, (vault(head, depth),)), Layer(kind, (posterior_fossa(head, depth),))]
    return layers


def vault(head: Head, depth: float) -> Condition:
    """Inside of the skull's vault, ``depth`` mm below its outer surface."""
    return ellipsoid(VAULT, _shrunk(_VAULT_RADII, head.size, depth))


def posterior_fossa(head: Head, depth: float) -> Condition:
    """The same of the bowl that holds the cerebellum."""
    center, radii = _POSTERIOR_FOSSA
    return ellipsoid(center, _shrunk(radii, head.size, depth))


def above_floor(head: Head, margin: float = 0.0) -> Condition:
    """Above the floor of anterior and middle fossa, by at least ``margin`` mm."""
    return Condition(Field.FOSSA_FLOOR, below=np.inf, above=margin, waves=head.patches, height=_FLOOR_WAVES)


def below_floor(head: Head, margin: float = 0.0) -> Condition:
    """Below the same floor."""
    return Condition(Field.FOSSA_FLOOR, below=-margin, waves=head.patches, height=_FLOOR_WAVES)


def skull_base_layers(head: Head) -> list[Layer]:
    """Bone below the anterior and middle fossa, sphenoid with its sinus, clivus; cuts into the brain."""
    front = outside(ellipsoid((0, -20, -10), (34, 23, 42), waves=head.patches, height=0.8))  # of the posterior fossa
    before = half_space((0, -1, 0), 12.0)
    inner = vault(head, 0.0)
    fat = waves_between(head.patches, 0.3, np.inf)
    below = (ellipsoid((0, 40, -20), (58, 45, 40)), below_floor(head, 4.0), front)
    trabeculae = waves_between(head.patches, -0.3, np.inf)
    inside = (Kind.CSF, *BRAIN)
    skull = (*inside, Kind.BONE, Kind.MARROW)
    return [
        Layer(Kind.BONE, (inner, below_floor(head), front, before), over=inside),
        Layer(Kind.MARROW, (inner, below_floor(head, 1.6), front, before, trabeculae), over=(Kind.BONE,)),
        Layer(Kind.MUSCLE, below, over=skull),
        Layer(Kind.FAT, (*below, fat), over=(Kind.MUSCLE,)),
        *tube(
            Kind.BONE, [(0, 17, 24), (0, 11, 4), (0, 3, -20)], [7.0, 7.5, 5.5], over=(*inside, Kind.MUSCLE, Kind.FAT)
        ),
        *tube(
            Kind.BONE, [(-14, 11, 1), (0, 11, 4), (14, 11, 1)], [6.5, 7.0, 6.5], over=(*inside, Kind.MUSCLE, Kind.FAT)
        ),
        solid(Kind.BONE, (0, 34, 16), (19, 19, 13), over=(*inside, Kind.MUSCLE, Kind.FAT)),
        *tube(Kind.MARROW, [(0, 18, 17), (0, 12, 4), (0, 5, -16)], [3.5, 5.3, 3.8], over=(Kind.BONE,)),
        *tube(Kind.MARROW, [(-12, 11, 1), (0, 12, 4), (12, 11, 1)], 4.6, over=(Kind.BONE,)),
        solid(Kind.MUCOSA, (-4, 38, 17), (13, 13, 10)),
        Layer(Kind.AIR, (sphenoid_sinus(),)),
        solid(Kind.BONE, (-1, 38, 17), (0.6, 13, 10), over=(Kind.AIR,)),
    ]


def sphenoid_sinus() -> Condition:
    """Its air."""
    return ellipsoid((-4, 38, 17), (12.2, 12.2, 9.2))


_OUTLINE: tuple[tuple[Point, Point], ...] = (
    ((0, -1, 46), (76, 101, 84)),  # vault
    ((0, -28, -60), (66, 72, 75)),  # neck
    ((0, 14, -26), (78, 84, 62)),  # cheeks and jaw
    ((0, 48, -22), (62, 62, 84)),  # face
    ((0, 100, 2), (15, 26, 22)),  # nose
    ((78, -14, -2), (8, 13, 26)),  # auricles
    ((-78, -14, -2), (8, 13, 26)),
)


def _shrunk(radii: Point, size: float, depth: float) -> Point:
    a, b, c = (max(r * size - depth, 1.0) for r in radii)
    return a, b, c
