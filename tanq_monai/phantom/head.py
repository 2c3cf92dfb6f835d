"""The head round the brain: scalp, skull, skull base, face."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.shapes import Array, Layer, Mask, Point, Waves, draw_waves, ellipsoid, tube
from tanq_monai.phantom.tissues import Kind

_ALL_LOW: Point = (-110.0, -130.0, -180.0)
_ALL_HIGH: Point = (110.0, 130.0, 150.0)
_BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)
SKULL_CENTER: Point = (0.0, 4.0, 30.0)
"""Center of the vault, mm."""


@dataclass(frozen=True)
class Head:
    """What varies between heads.

    Args:
        size: of head and skull, about 1.
        ridge: shift of the petrous ridge against the brain, mm.
        air: how much of the mastoid is air: -1 sclerotic, 1 fully pneumatized.
        apex_marrow: fatty marrow in the petrous apex, right and left.
        vessel_size: of arteries and sinuses, right and left.
        folds: gyri and sulci (wavelength about 20 mm).
        folia: of the cerebellum.
        cells: air cells and bone trabeculae (about 5 mm).
        patches: muscle and fat below the skull base.
    """

    size: float
    ridge: float
    air: float
    apex_marrow: tuple[bool, bool]
    vessel_size: tuple[float, float]
    folds: Waves
    folia: Waves
    cells: Waves
    patches: Waves


def draw_head(rng: np.random.Generator) -> Head:
    """A random head."""
    right, left = rng.random(2) < 0.45
    return Head(
        size=rng.normal(1, 0.025),
        ridge=rng.normal(0, 1.0),
        air=rng.uniform(-0.9, 0.6),
        apex_marrow=(bool(right), bool(left)),
        vessel_size=(rng.uniform(0.8, 1.2), rng.uniform(0.7, 1.1)),
        folds=draw_waves(rng, wavelength=19, number=9),
        folia=draw_waves(rng, wavelength=9, number=7),
        cells=draw_waves(rng, wavelength=5.5, number=9),
        patches=draw_waves(rng, wavelength=16, number=7),
    )


def head_layers(head: Head) -> list[Layer]:
    """Scalp, muscles and fat, and the skull's vault filled with CSF."""
    return [*_scalp(head), *_skull(head)]


def skull_base_layers(head: Head) -> list[Layer]:
    """Bone, muscle and fat below the cranial fossae, clivus and sphenoid sinus; cuts into the brain."""
    low: Point = (-68.0, 1.0, -60.0)
    high: Point = (68.0, 96.0, 30.0)

    def bone(x: Array, y: Array, z: Array) -> Mask:
        return (z < fossa_floor(x, y)) & (y > 1)

    def below(x: Array, y: Array, z: Array) -> Mask:
        return (z < fossa_floor(x, y) - 3.5) & (y > 1)

    def fat(x: Array, y: Array, z: Array) -> Mask:
        return below(x, y, z) & (head.patches(x, y, z) > 0.3)

    inside = (Kind.CSF, Kind.GRAY_MATTER, Kind.WHITE_MATTER)
    return [
        Layer(Kind.BONE, low, high, bone, over=inside),
        Layer(Kind.MUSCLE, low, high, below, over=(Kind.BONE,)),
        Layer(Kind.FAT, low, high, fat, over=(Kind.MUSCLE,)),
        *tube(Kind.BONE, [(0, 19, 6), (0, 12, -22)], [7.5, 7.0], over=(Kind.CSF, Kind.MUSCLE, Kind.FAT, *_BRAIN)),
        ellipsoid(Kind.BONE, (0, 32, 0), (17, 18, 11), over=(Kind.MUSCLE, Kind.FAT, Kind.CSF)),
        *tube(Kind.MARROW, [(0, 20, 4), (0, 13, -20)], [5.0, 5.0]),
        ellipsoid(Kind.MUCOSA, (-5, 35, -1), (9.5, 12, 8.5)),
        ellipsoid(Kind.AIR, (-5, 35, -1), (8.7, 11.2, 7.7)),
    ]


def face_layers() -> list[Layer]:
    """Orbits, nose and maxillary sinuses."""
    layers: list[Layer] = [
        ellipsoid(Kind.MUCOSA, (0, 76, -20), (16, 26, 22)),
        ellipsoid(Kind.AIR, (0, 76, -20), (14, 24, 20)),
    ]
    for side in (-1, 1):
        layers.append(ellipsoid(Kind.FAT, (side * 30, 64, 6), (18, 24, 17)))
        layers.append(ellipsoid(Kind.VITREOUS, (side * 31, 72, 6), (12, 12, 12)))
        layers += tube(Kind.MUSCLE, [(side * 22, 50, 4), (side * 23, 72, 6)], 2.0, over=(Kind.FAT,))
        layers += tube(Kind.NERVE, [(side * 10, 40, 8), (side * 30, 61, 6)], 2.0)
        layers.append(ellipsoid(Kind.MUCOSA, (side * 30, 66, -28), (14, 14, 15)))
        layers.append(ellipsoid(Kind.AIR, (side * 30, 66, -28), (12.5, 12.5, 13.5)))
    layers += tube(Kind.MUCOSA, [(0, 58, -40), (0, 92, -36)], 3.0)
    return layers


def fossa_floor(x: Array, y: Array) -> Array:
    """Height of the cranial fossa's floor: middle fossa, raised in the midline and in front of y = 46 mm."""
    lateral = _step(np.abs(x), 17, 1.5)
    middle = -14 + 20 * (1 - lateral) * _step(y, 13, 2)
    result: Array = middle + 28 * _step(y, 47, 3) * lateral + 12 * _step(y, 47, 3) * (1 - lateral)
    return result


def _scalp(head: Head) -> list[Layer]:
    s = head.size
    layers: list[Layer] = []
    for kind, shrink in ((Kind.SKIN, 0.0), (Kind.FAT, 2.0), (Kind.MUSCLE, 5.5)):
        for center, radii in (
            ((0, 6, 20), (77 * s, 98 * s, 93 * s)),
            ((0, -12, -75), (58 * s, 62 * s, 75 * s)),
            ((0, 48, -38), (55 * s, 58 * s, 70 * s)),
        ):
            smaller = (radii[0] - shrink, radii[1] - shrink, radii[2] - shrink)
            layers.append(ellipsoid(kind, center, smaller))

    def streaks(x: Array, y: Array, z: Array) -> Mask:
        return head.patches(x, y, z) > 0.75

    return [*layers, Layer(Kind.FAT, _ALL_LOW, _ALL_HIGH, streaks, over=(Kind.MUSCLE,))]


def _skull(head: Head) -> list[Layer]:
    layers = []
    for kind, shrink in ((Kind.BONE, 0.0), (Kind.MARROW, 2.0), (Kind.BONE, 5.0), (Kind.CSF, 6.8)):
        rx, ry, rz = (r * head.size - shrink for r in (71, 90, 79))
        layers.append(ellipsoid(kind, SKULL_CENTER, (rx, ry, rz)))
    return layers


def _step(value: Array, center: float, width: float) -> Array:
    result: Array = 1 / (1 + np.exp(-(value - np.float32(center)) / np.float32(width)))
    return result
