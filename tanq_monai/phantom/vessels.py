"""Arteries, venous sinuses, and what else takes up gadolinium."""

from tanq_monai.phantom.head import Head
from tanq_monai.phantom.shapes import Layer, Point, ellipsoid, tube
from tanq_monai.phantom.tissues import Kind

_BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)


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
        layers.append(ellipsoid(Kind.ENHANCING, (side * 12, -19, -5), (3.0, 1.4, 1.6), over=(Kind.CSF, *_BRAIN)))
        layers.append(ellipsoid(Kind.BLOOD, (side * 12, 27, 4), (4.0, 8.0, 5.0), over=(Kind.BONE, Kind.MARROW)))
    layers.append(ellipsoid(Kind.ENHANCING, (0, 27, 10), (6, 4.5, 3.5)))
    layers += tube(Kind.BLOOD, [(0, 86 * head.size, 40), (0, 60, 96), (0, 0, 104), (0, -60, 75), (0, -76, 14)], 3.0)
    return layers
