"""The petrous bones: dense bone, marrow at the apex, air cells in the mastoid, middle ear."""

import numpy as np

from tanq_monai.phantom.head import Head
from tanq_monai.phantom.shapes import Array, Layer, Mask, Point, as_points, cone_distance, ellipsoid, tube
from tanq_monai.phantom.tissues import Kind


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
        layers += [*tube(Kind.SKIN, [(side * 50, 3, -5), (side * 72, 2, -8)], 4.4), *canal, middle_ear]
    return layers


def _petrous_bone(head: Head, path: list[Point]) -> Layer:
    def inside(x: Array, y: Array, z: Array) -> Mask:
        inner = cone_distance(x, y, z, path[0], path[1], (7.0, 11.5))
        outer = cone_distance(x, y, z, path[1], path[2], (11.5, 15.0))
        result: Mask = np.minimum(inner, outer) + np.float32(0.3) * head.cells(x, y, z) < 0
        return result

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
