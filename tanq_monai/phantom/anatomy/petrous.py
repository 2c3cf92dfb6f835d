"""The petrous bones: dense bone, marrow at the apex, air cells in the mastoid, middle ear."""

import numpy as np

from tanq_monai.phantom.anatomy.head import BRAIN, Head
from tanq_monai.phantom.painting.shapes import Condition, Layer, Point, rod, solid, waves_between
from tanq_monai.phantom.tissues import Kind

_COVERED = (
    Kind.CSF, *BRAIN, Kind.MUSCLE, Kind.FAT, Kind.SKIN, Kind.MARROW, Kind.BONE, Kind.MUCOSA, Kind.AIR,
)  # fmt: skip


def petrous_layers(head: Head) -> list[Layer]:
    """Both petrous bones with marrow, air cells and middle ear; the inner ears are painted into them."""
    layers: list[Layer] = []
    for side, marrow in ((1, head.apex_marrow[0]), (-1, head.apex_marrow[1])):
        path: list[Point] = [
            (side * 13, 9 + head.ridge, 3),
            (side * 34, -1 + head.ridge, 0),
            (side * 53, -15 + head.ridge, -2),
        ]
        layers += _pyramid(head, path)
        layers.append(_apex_marrow(head, side, marrow))
        layers += _mastoid(head, side)
        layers.append(solid(Kind.AIR, (side * 46, 3 + head.ridge, -1), (2.4, 5.0, 6.0)))  # tympanic cavity
        layers.append(solid(Kind.BONE, (side * 46.5, 3 + head.ridge, 2), (0.9, 1.6, 1.4)))  # ossicles
    return layers


def _pyramid(head: Head, path: list[Point]) -> list[Layer]:
    """Dense bone from the apex over the ear to the mastoid."""
    radii = ((6.0, 11.0), (11.0, 13.5))
    parts = [
        rod(start, end, radius, waves=head.cells, height=0.3)
        for start, end, radius in zip(path[:-1], path[1:], radii, strict=True)
    ]
    spongy = waves_between(head.trabeculae, 1.25, np.inf)  # a tenth of the bone: it is darker than brain, not black
    bone = [Layer(Kind.BONE, (part,), over=_COVERED) for part in parts]
    return [*bone, *(Layer(Kind.MARROW, (part, spongy), over=(Kind.BONE,)) for part in parts)]


def _mastoid(head: Head, side: int) -> list[Layer]:
    """Air cells with thin walls, lining and fat between them."""
    parts = mastoid_cells(head, side)
    walls = waves_between(head.cells, -np.inf, head.air)
    lining = waves_between(head.cells, head.air, head.air + 0.16)
    patch = waves_between(head.folds, 0.8, np.inf)
    marrow = waves_between(head.cells, head.air + 0.9, np.inf)
    tip = [Layer(Kind.BONE, (part,), over=_COVERED) for part in parts[1:]]
    layers = []
    for part in parts:
        layers += [
            Layer(Kind.AIR, (part, walls), over=(Kind.BONE,)),
            Layer(Kind.MUCOSA, (part, lining, patch), over=(Kind.BONE,)),
            Layer(Kind.MARROW, (part, marrow), over=(Kind.BONE,)),
        ]
    return [*tip, *layers]


def mastoid_cells(head: Head, side: int) -> list[Condition]:
    """Antrum and tip of the mastoid of one side (1 right): where its air cells are."""
    return [
        _mastoid_part(head, side, (42, -9, 0), (58, -18, -6), (7.0, 12.5)),
        _mastoid_part(head, side, (57, -16, -8), (58, -20, -24), (9.5, 7.0)),
    ]


def _mastoid_part(head: Head, side: int, start: Point, end: Point, radii: tuple[float, float]) -> Condition:
    a, b = ((side * x, y + head.ridge, z) for x, y, z in (start, end))
    return rod(a, b, radii, below=-0.5)


def _apex_marrow(head: Head, side: int, fatty: bool) -> Layer:
    """Fat in the apex, on some sides much, on others in a few trabeculae."""
    tip: Point = (side * 13, 9 + head.ridge, 2)
    end: Point = (side * 24, 4 + head.ridge, 1)
    part = rod(tip, end, (4.2, 5.0), waves=head.cells, height=1.5 if fatty else 2.5, below=0.0 if fatty else -2.5)
    return Layer(Kind.MARROW, (part,), over=(Kind.BONE,))
