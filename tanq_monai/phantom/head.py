"""The head round the ears: scalp, skull, brain, cisterns, skull base, vessels."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.shapes import (
    Array,
    Layer,
    Mask,
    Point,
    Waves,
    as_points,
    cone_distance,
    draw_waves,
    ellipsoid,
    ellipsoid_distance,
    tube,
)
from tanq_monai.phantom.tissues import Kind

_ALL_LOW: Point = (-110.0, -130.0, -180.0)
_ALL_HIGH: Point = (110.0, 130.0, 150.0)
_BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)
_SKULL_CENTER: Point = (0.0, 4.0, 30.0)


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
    """Scalp, skull, brain and what lies below, up to but without the petrous bones."""
    return [*_scalp(head), *_skull(head), *_cerebrum(head), *_skull_base(head), *_hindbrain(head), *_face()]


def petrous_layers(head: Head) -> list[Layer]:
    """Both petrous bones with marrow, air cells and middle ear; the inner ears are painted into them."""
    layers: list[Layer] = []
    for side, marrow in ((1, head.apex_marrow[0]), (-1, head.apex_marrow[1])):
        path: list[Point] = [
            (side * 12, 9 + head.ridge, -4),
            (side * 34, -1 + head.ridge, -2),
            (side * 55, -16 + head.ridge, -3),
        ]
        layers.append(_petrous_bone(head, path))
        if marrow:
            layers.append(_apex_marrow(head, side))
        layers += _mastoid(head, side)
        middle_ear = ellipsoid(Kind.AIR, (side * 45.5, 4 + head.ridge, -2), (2.4, 5.5, 6.0))
        canal = tube(Kind.AIR, [(side * 48, 3, -5), (side * 90, 2, -8)], 3.2)
        layers += [*tube(Kind.SKIN, [(side * 50, 3, -5), (side * 76, 2, -8)], 4.6), *canal, middle_ear]
    return layers


def vessel_layers(head: Head) -> list[Layer]:
    """Arteries and venous sinuses, and other tissue that takes up gadolinium."""
    layers = tube(Kind.BLOOD, [(-3, 4, -40), (0, 9, -16), (1.5, 11.5, 2), (0, 13, 20)], [1.6, 1.9, 1.8, 1.6])
    for side, size in ((1, head.vessel_size[0]), (-1, head.vessel_size[1])):
        vertebral: list[Point] = [(side * 12, -6, -45), (side * 6, 3, -26), (0, 9, -16)]
        carotid: list[Point] = [
            (side * 32, 12, -60), (side * 31, 10, -14), (side * 29, 11, -8), (side * 20, 14, -6),
            (side * 13, 19, -3), (side * 12, 28, 4), (side * 11, 34, 10), (side * 12, 30, 16),
        ]  # fmt: skip
        sinus: list[Point] = [
            (side * 3, -74, 12), (side * 36, -60, 13), (side * 52, -36, 11), (side * 49, -27, -2),
            (side * 42, -22, -14), (side * 31, -10, -17), (side * 30, -4, -30), (side * 34, 4, -60),
        ]  # fmt: skip
        layers += tube(Kind.BLOOD, vertebral, 1.5)
        layers += tube(Kind.BLOOD, carotid, 2.5)
        layers += tube(Kind.BLOOD, sinus, [size * r for r in (3.0, 3.4, 4.2, 4.4, 4.3, 4.6, 3.8, 3.8)])
        loop: list[Point] = [(0.8, 11, 0), (side * 9, 7, -2), (side * 17, 0, -1), (side * 19, -8, 0)]
        layers += tube(Kind.BLOOD, loop, 0.6, over=(Kind.CSF,))
        trigeminal: list[Point] = [(side * 14, 3, 5), (side * 17, 12, 4), (side * 17, 20, 1)]
        layers.append(ellipsoid(Kind.CSF, (side * 17, 19, 2), (3, 6, 3)))
        layers += tube(Kind.NERVE, trigeminal, [1.7, 1.3, 2.0])
        layers.append(
            ellipsoid(Kind.ENHANCING, (side * 12, -19, -5), (3.0, 1.4, 1.6), over=(Kind.CSF, *_BRAIN))
        )
        layers.append(
            ellipsoid(Kind.BLOOD, (side * 12, 27, 4), (4.0, 8.0, 5.0), over=(Kind.BONE, Kind.MARROW))
        )
    layers.append(ellipsoid(Kind.ENHANCING, (0, 28, 9), (6, 4.5, 3.5)))
    layers += tube(
        Kind.BLOOD, [(0, 86 * head.size, 40), (0, 60, 96), (0, 0, 104), (0, -60, 75), (0, -76, 14)], 3.0
    )
    return layers


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
        layers.append(ellipsoid(kind, _SKULL_CENTER, (rx, ry, rz)))
    return layers


def _cerebrum(head: Head) -> list[Layer]:
    """White matter, cortex and sulci above the tentorium and in the middle fossa."""
    inner: Point = tuple(r * head.size - 8.5 for r in (71, 90, 79))  # type: ignore[assignment]

    def brain(x: Array, y: Array, z: Array) -> Mask:
        within = ellipsoid_distance(x, y, z, _SKULL_CENTER, inner) < 0
        cisterns = ellipsoid_distance(x, y, z, (0, 6, 4), (23, 40, 19)) + 1.8 * head.folia(x, y, z) < 0
        return within & ~_below_tentorium(head, x, y, z) & (np.abs(x) > 1.2) & ~cisterns

    def depth(x: Array, y: Array, z: Array) -> Array:
        wall = -ellipsoid_distance(x, y, z, _SKULL_CENTER, inner)
        floor = z - _floor(x, y) - 2
        gap: Array = np.minimum(np.minimum(wall, floor), np.abs(x) - 1.2)
        return gap

    def cortex(x: Array, y: Array, z: Array) -> Mask:
        d = depth(x, y, z)
        return (d < 3.2) | ((np.abs(head.folds(x, y, z)) < 0.55) & (d < 19))

    def sulci(x: Array, y: Array, z: Array) -> Mask:
        return (np.abs(head.folds(x, y, z)) < 0.10) & (depth(x, y, z) < 15)

    low: Point = (-72.0, -92.0, -30.0)
    high: Point = (72.0, 98.0, 112.0)
    layers = [
        Layer(Kind.WHITE_MATTER, low, high, brain, over=(Kind.CSF,)),
        Layer(Kind.GRAY_MATTER, low, high, cortex, over=(Kind.WHITE_MATTER,)),
        Layer(Kind.CSF, low, high, sulci, over=(Kind.GRAY_MATTER,)),
        ellipsoid(Kind.CSF, (0, 8, 26), (2.5, 13, 12)),
        ellipsoid(Kind.GRAY_MATTER, (0, -4, 34), (20, 18, 10), over=(Kind.WHITE_MATTER,)),
    ]
    for side in (-1, 1):
        layers.append(ellipsoid(Kind.CSF, (side * 12, 2, 46), (7, 30, 9)))
        layers.append(ellipsoid(Kind.GRAY_MATTER, (side * 26, 16, 10), (6, 12, 7), over=(Kind.WHITE_MATTER,)))
        layers += tube(
            Kind.CSF, [(side * 28, 20, 6), (side * 34, -4, 12), (side * 24, -26, 30)], [1.6, 2.2, 4]
        )
    return layers


def _skull_base(head: Head) -> list[Layer]:
    low: Point = (-68.0, 1.0, -60.0)
    high: Point = (68.0, 96.0, 30.0)

    def bone(x: Array, y: Array, z: Array) -> Mask:
        return (z < _floor(x, y)) & (y > 1)

    def below(x: Array, y: Array, z: Array) -> Mask:
        return (z < _floor(x, y) - 3.5) & (y > 1)

    def fat(x: Array, y: Array, z: Array) -> Mask:
        return below(x, y, z) & (head.patches(x, y, z) > 0.3)

    inside = (Kind.CSF, Kind.GRAY_MATTER, Kind.WHITE_MATTER)
    return [
        Layer(Kind.BONE, low, high, bone, over=inside),
        Layer(Kind.MUSCLE, low, high, below, over=(Kind.BONE,)),
        Layer(Kind.FAT, low, high, fat, over=(Kind.MUSCLE,)),
        *tube(
            Kind.BONE, [(0, 19, 6), (0, 12, -22)], [7.5, 7.0], over=(Kind.CSF, Kind.MUSCLE, Kind.FAT, *_BRAIN)
        ),
        ellipsoid(Kind.BONE, (0, 32, 0), (17, 18, 11), over=(Kind.MUSCLE, Kind.FAT, Kind.CSF)),
        *tube(Kind.MARROW, [(0, 20, 4), (0, 13, -20)], [5.0, 5.0]),
        ellipsoid(Kind.MUCOSA, (-5, 35, -1), (9.5, 12, 8.5)),
        ellipsoid(Kind.AIR, (-5, 35, -1), (8.7, 11.2, 7.7)),
    ]


def _hindbrain(head: Head) -> list[Layer]:
    """Cerebellum, brainstem and fourth ventricle, in the CSF below the tentorium."""
    layers = [
        ellipsoid(Kind.GRAY_MATTER, (side * 25, -39, -8), (25, 25, 22), over=(Kind.CSF,)) for side in (-1, 1)
    ]
    layers.append(ellipsoid(Kind.GRAY_MATTER, (0, -42, -3), (15, 20, 19), over=(Kind.CSF,)))

    def folia(x: Array, y: Array, z: Array) -> Mask:
        radial = np.sqrt(x * x * np.float32(0.3) + (y + 24) ** 2 + (z - 2) ** 2)
        wave = np.sin(radial * np.float32(2 * np.pi / 5.2) + np.float32(1.3) * head.folia(x, y, z))
        return (wave > 0.93) & (radial > 16)

    def core(x: Array, y: Array, z: Array) -> Mask:
        half = np.abs(x)
        bump = 2.2 * head.folia(x, y, z)
        return cone_distance(half, y, z, (12, -18, -3), (27, -40, -8), (7.0, 9.0)) + bump < 0

    low: Point = (-52.0, -66.0, -32.0)
    high: Point = (52.0, -8.0, 18.0)
    layers += [
        Layer(Kind.CSF, low, high, folia, over=(Kind.GRAY_MATTER,)),
        Layer(Kind.WHITE_MATTER, low, high, core, over=(Kind.GRAY_MATTER, Kind.CSF)),
        ellipsoid(Kind.WHITE_MATTER, (0, -4, 1), (17, 13, 15)),
        *tube(Kind.WHITE_MATTER, [(0, -6, 14), (0, -2, 26)], [12, 15]),
        *tube(Kind.WHITE_MATTER, [(0, -8, -10), (0, -14, -60)], [8.5, 6.0]),
    ]
    for side in (-1, 1):
        layers += tube(Kind.WHITE_MATTER, [(side * 12, -8, 0), (side * 21, -24, -4)], [7.5, 7])
        layers.append(ellipsoid(Kind.GRAY_MATTER, (side * 20, -17, -5), (4, 3, 3.5)))
    layers.append(ellipsoid(Kind.CSF, (0, -19.5, -1), (7, 3.6, 10)))
    layers += tube(Kind.CSF, [(0, -17, -4), (0, -11.5, 16)], [2.0, 1.0])
    return layers


def _face() -> list[Layer]:
    layers: list[Layer] = [
        ellipsoid(Kind.MUCOSA, (0, 76, -20), (16, 26, 22)),
        ellipsoid(Kind.AIR, (0, 76, -20), (14, 24, 20)),
    ]
    for side in (-1, 1):
        layers.append(ellipsoid(Kind.FAT, (side * 32, 72, 6), (19, 24, 18)))
        layers.append(ellipsoid(Kind.VITREOUS, (side * 32, 82, 6), (12, 12, 12)))
        layers += tube(Kind.MUSCLE, [(side * 22, 50, 4), (side * 24, 80, 6)], 2.0, over=(Kind.FAT,))
        layers += tube(Kind.NERVE, [(side * 10, 40, 8), (side * 30, 71, 6)], 2.0)
        layers.append(ellipsoid(Kind.MUCOSA, (side * 30, 66, -28), (14, 14, 15)))
        layers.append(ellipsoid(Kind.AIR, (side * 30, 66, -28), (12.5, 12.5, 13.5)))
    layers += tube(Kind.MUCOSA, [(0, 58, -40), (0, 92, -36)], 3.0)
    return layers


def _petrous_bone(head: Head, path: list[Point]) -> Layer:
    def inside(x: Array, y: Array, z: Array) -> Mask:
        inner = cone_distance(x, y, z, path[0], path[1], (7.0, 11.5))
        outer = cone_distance(x, y, z, path[1], path[2], (11.5, 15.0))
        return np.minimum(inner, outer) + np.float32(0.3) * head.cells(x, y, z) < 0

    ends = np.array([path[0], path[2]])
    low, high = as_points(np.stack([ends.min(0) - 17, ends.max(0) + 17]))
    return Layer(Kind.BONE, low, high, inside)


def _mastoid(head: Head, side: int) -> list[Layer]:
    low: Point = (min(side * 38, side * 72), -38.0, -24.0)
    high: Point = (max(side * 38, side * 72), 8.0, 16.0)

    def within(x: Array, y: Array, z: Array, margin: float) -> Mask:
        start: Point = (side * 42, -9 + head.ridge, -2)
        return cone_distance(x, y, z, start, (side * 57, -19 + head.ridge, -4), (7.0, 13.0)) < -margin

    def cells(x: Array, y: Array, z: Array) -> Mask:
        return within(x, y, z, 0.5) & (head.cells(x, y, z) < head.air)

    def lining(x: Array, y: Array, z: Array) -> Mask:
        return within(x, y, z, 0.5) & (head.cells(x, y, z) < head.air + 0.25) & (head.folds(x, y, z) > 0.9)

    def marrow(x: Array, y: Array, z: Array) -> Mask:
        return within(x, y, z, 1.0) & (head.cells(x, y, z) > head.air + 0.9)

    return [
        Layer(Kind.MUCOSA, low, high, lining, over=(Kind.BONE,)),
        Layer(Kind.AIR, low, high, cells, over=(Kind.BONE,)),
        Layer(Kind.MARROW, low, high, marrow, over=(Kind.BONE,)),
    ]


def _apex_marrow(head: Head, side: int) -> Layer:
    def inside(x: Array, y: Array, z: Array) -> Mask:
        tip: Point = (side * 12, 9 + head.ridge, -4)
        rod = cone_distance(x, y, z, tip, (side * 25, 4 + head.ridge, -3), (4.5, 5.0))
        return rod + 1.5 * head.cells(x, y, z) < 0

    low: Point = (min(side * 6, side * 32), -4.0, -12.0)
    high: Point = (max(side * 6, side * 32), 18.0, 6.0)
    return Layer(Kind.MARROW, low, high, inside, over=(Kind.BONE,))


def _below_tentorium(head: Head, x: Array, y: Array, z: Array) -> Mask:
    """Behind the petrous ridge and below the tentorium, which rises from the ridge backwards."""
    ridge = 12 + head.ridge - np.float32(0.62) * (np.abs(x) - 12)
    lid = 14 - np.float32(0.12) * (y + 40) - np.float32(0.06) * np.abs(x)
    result: Mask = (y < ridge) & (z < lid)
    return result


def _floor(x: Array, y: Array) -> Array:
    """Height of the cranial fossa's floor: middle fossa, raised in the midline and in front of y = 46 mm."""
    lateral = _step(np.abs(x), 17, 1.5)
    middle = -14 + 20 * (1 - lateral) * _step(y, 13, 2)
    result: Array = middle + 28 * _step(y, 47, 3) * lateral + 12 * _step(y, 47, 3) * (1 - lateral)
    return result


def _step(value: Array, center: float, width: float) -> Array:
    result: Array = 1 / (1 + np.exp(-(value - np.float32(center)) / np.float32(width)))
    return result
