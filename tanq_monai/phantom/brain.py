"""Cerebrum, cerebellum and brainstem with their ventricles and cisterns."""

import numpy as np

from tanq_monai.phantom.head import SKULL_CENTER, Head, fossa_floor
from tanq_monai.phantom.shapes import (
    Array,
    Layer,
    Mask,
    Point,
    cone_distance,
    ellipsoid,
    ellipsoid_distance,
    tube,
)
from tanq_monai.phantom.tissues import Kind


def cerebrum_layers(head: Head) -> list[Layer]:
    """White matter, cortex and sulci above the tentorium and in the middle fossa."""
    inner: Point = tuple(r * head.size - 8.5 for r in (71, 90, 79))  # type: ignore[assignment]

    def brain(x: Array, y: Array, z: Array) -> Mask:
        within = ellipsoid_distance(x, y, z, SKULL_CENTER, inner) < 0
        cisterns = ellipsoid_distance(x, y, z, (0, 6, 4), (23, 40, 19)) + 1.8 * head.folia(x, y, z) < 0
        return within & ~_below_tentorium(head, x, y, z) & (np.abs(x) > 1.2) & ~cisterns

    def depth(x: Array, y: Array, z: Array) -> Array:
        wall = -ellipsoid_distance(x, y, z, SKULL_CENTER, inner)
        floor = z - fossa_floor(x, y) - 2
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
        layers += tube(Kind.CSF, [(side * 28, 20, 6), (side * 34, -4, 12), (side * 24, -26, 30)], [1.6, 2.2, 4])
    return layers


def hindbrain_layers(head: Head) -> list[Layer]:
    """Cerebellum, brainstem and fourth ventricle, in the CSF below the tentorium."""
    layers = [ellipsoid(Kind.GRAY_MATTER, (side * 25, -39, -8), (25, 25, 22), over=(Kind.CSF,)) for side in (-1, 1)]
    layers.append(ellipsoid(Kind.GRAY_MATTER, (0, -42, -3), (15, 20, 19), over=(Kind.CSF,)))

    def folia(x: Array, y: Array, z: Array) -> Mask:
        radial = np.sqrt(x * x * np.float32(0.3) + (y + 24) ** 2 + (z - 2) ** 2)
        wave = np.sin(radial * np.float32(2 * np.pi / 5.2) + np.float32(1.3) * head.folia(x, y, z))
        result: Mask = (wave > 0.93) & (radial > 16)
        return result

    def core(x: Array, y: Array, z: Array) -> Mask:
        half = np.abs(x)
        bump = 2.2 * head.folia(x, y, z)
        result: Mask = cone_distance(half, y, z, (12, -18, -3), (27, -40, -8), (7.0, 9.0)) + bump < 0
        return result

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


def _below_tentorium(head: Head, x: Array, y: Array, z: Array) -> Mask:
    """Behind the petrous ridge and below the tentorium, which rises from the ridge backwards."""
    ridge = 12 + head.ridge - np.float32(0.62) * (np.abs(x) - 12)
    lid = 14 - np.float32(0.12) * (y + 40) - np.float32(0.06) * np.abs(x)
    result: Mask = (y < ridge) & (z < lid)
    return result
