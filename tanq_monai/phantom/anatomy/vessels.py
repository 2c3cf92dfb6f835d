"""Arteries, venous sinuses, cranial nerves, and what else takes up gadolinium."""

import numpy as np

from tanq_monai.phantom.anatomy.head import BRAIN, VAULT, Head
from tanq_monai.phantom.painting.shapes import Layer, Point, as_points, solid, tube
from tanq_monai.phantom.tissues import Kind


def vessel_layers(head: Head) -> list[Layer]:
    """Arteries and venous sinuses with dura, the pituitary, nerves five and six."""
    basilar: list[Point] = [(-3, 0, -34), (-1, -1, -12), (1, 3, 2), (1, 8, 14), (0, 8, 28)]
    layers = tube(Kind.BLOOD, basilar, [1.5, 1.7, 2.0, 1.9, 1.7])
    for side, size in ((1, head.vessel_size[0]), (-1, head.vessel_size[1])):
        layers += [*_arteries(side), *_sinuses(side, size), *_nerves(side)]
    layers += tube(Kind.ENHANCING, [(0, 21, 26), (0, 16, 34)], [4.8, 1.2])  # pituitary with its stalk
    layers += tube(Kind.BLOOD, _sagittal_sinus(head), list(np.linspace(1.2, 4.0, 13)))
    straight: list[Point] = [(0, -30, 44), (0, -50, 24), (0, -70, 9)]
    layers += tube(Kind.BLOOD, straight, [1.6, 2.0, 2.6])
    return [*layers, *tube(Kind.BLOOD, [(-9, 14, 33), (0, 20, 37), (9, 14, 33)], 1.1)]


def _sagittal_sinus(head: Head) -> list[Point]:
    """Along the inner table from the forehead to the confluence of the sinuses."""
    angles = np.radians(np.linspace(40, 207, 13))
    y = VAULT[1] + 82 * head.size * np.cos(angles)
    z = VAULT[2] + 69 * head.size * np.sin(angles)
    return as_points(np.stack([np.zeros(13), y, z], axis=1))


def _arteries(side: int) -> list[Layer]:
    """Carotid through its canal and siphon, vertebral, cerebellar and cerebral arteries."""
    vertebral: list[Point] = [(side * 14, -8, -60), (side * 11, -8, -30), (-1, -1, -12)]
    carotid: list[Point] = [
        (side * 27, 4, -70), (side * 27, 4, -14), (side * 27, 6, -4), (side * 24, 9, -1), (side * 14, 14, 2),
        (side * 11, 19, 9), (side * 10, 22, 16), (side * 11, 30, 22), (side * 12, 25, 28), (side * 14, 18, 33),
    ]  # fmt: skip
    loop: list[Point] = [(1, 4, 5), (side * 9, 3, 2), (side * 16, -3, 1), (side * 20, -9, 1), (side * 16, -14, 0)]
    middle: list[Point] = [(side * 14, 18, 33), (side * 26, 22, 33), (side * 38, 18, 35), (side * 42, 2, 42)]
    back: list[Point] = [(0, 8, 28), (side * 11, 2, 30), (side * 19, -10, 31), (side * 17, -26, 34)]
    layers = tube(Kind.BLOOD, vertebral, 1.5)
    layers += tube(Kind.BLOOD, carotid, [2.6, 2.6, 2.5, 2.6, 2.6, 2.5, 2.5, 2.5, 2.2, 1.7])
    layers += tube(Kind.BLOOD, loop, 0.6, over=(Kind.CSF,))
    layers += tube(Kind.BLOOD, middle, [1.4, 1.3, 1.1, 0.8], over=(Kind.CSF, *BRAIN))
    return layers + tube(Kind.BLOOD, back, [1.2, 1.1, 1.0, 0.8], over=(Kind.CSF, *BRAIN))


def _sinuses(side: int, size: float) -> list[Layer]:
    """Transverse and sigmoid sinus, jugular bulb, cavernous sinus, and the tentorium's enhancing edge."""
    sinus: list[Point] = [
        (side * 2, -74, 9), (side * 22, -70, 9), (side * 38, -60, 8), (side * 49, -47, 7), (side * 54, -37, 3),
        (side * 53, -32, -3), (side * 47, -29, -9),
        (side * 36, -17, -15), (side * 29, -9, -14), (side * 28, -6, -24), (side * 30, -4, -70),
    ]  # fmt: skip
    radii = [size * r for r in (2.8, 2.6, 2.8, 3.2, 3.8, 4.0, 3.8, 3.8, 4.4, 3.8, 3.8)]
    edge: list[Point] = [(side * 16, 4, 20), (side * 19, -14, 33), (side * 8, -34, 40)]
    return [
        *tube(Kind.BLOOD, sinus, radii),
        solid(Kind.BLOOD, (side * 12, 21, 14), (3.8, 8.0, 7.0), over=(Kind.BONE, Kind.MARROW, Kind.CSF, *BRAIN)),
        *tube(Kind.ENHANCING, edge, 0.6, over=(Kind.CSF, *BRAIN)),
    ]


def _nerves(side: int) -> list[Layer]:
    """The trigeminal nerve from the pons to its cave, the abducens nerve."""
    trigeminal: list[Point] = [(side * 14, -3, 11), (side * 16, 8, 12), (side * 17, 15, 8)]
    abducens: list[Point] = [(side * 4, 1, 1), (side * 7, 9, 10)]
    return [
        solid(Kind.CSF, (side * 17, 14, 9), (2.8, 5.0, 3.2), over=(Kind.BONE, Kind.MARROW, *BRAIN)),
        *tube(Kind.NERVE, trigeminal, [2.0, 1.6, 2.0], over=(Kind.CSF,)),
        *tube(Kind.NERVE, abducens, 0.5, over=(Kind.CSF,)),
    ]
