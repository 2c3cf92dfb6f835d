"""Orbits, nose, sinuses, chewing muscles, jaw and neck."""

import numpy as np

from tanq_monai.phantom.anatomy.head import Head
from tanq_monai.phantom.painting.shapes import Condition, Layer, Point, ellipsoid, slab, solid, tube, waves_between
from tanq_monai.phantom.tissues import Kind

_SOFT = (Kind.MUSCLE, Kind.FAT, Kind.BONE, Kind.MARROW, Kind.SKIN)


def face_layers(head: Head) -> list[Layer]:
    """Everything in front of and below the skull base."""
    layers = _nose(head)
    for side in (-1, 1):
        layers += [*_chewing(head, side), *_orbit(side), *_maxilla(side), *_ear_canal(side)]
    return layers + _neck()


def _nose(head: Head) -> list[Layer]:
    """Nasal cavity with septum and turbinates, ethmoid cells, nasopharynx."""
    cavity = ellipsoid((0, 66, -8), (15, 34, 24))
    turbinates = waves_between(head.patches, 0.0, np.inf)
    ethmoid = ellipsoid((0, 64, 22), (12, 18, 14))
    cells = waves_between(head.cells, -0.5, 0.5)
    return [
        Layer(Kind.MUCOSA, (ellipsoid((0, 66, -8), (17, 36, 26)),), over=_SOFT),
        Layer(Kind.AIR, (cavity,)),
        Layer(Kind.MUCOSA, (cavity, turbinates)),
        Layer(Kind.MUCOSA, (cavity, slab((1, 0, 0), 0.0, 1.6))),
        Layer(Kind.BONE, (ethmoid,), over=_SOFT),
        Layer(Kind.AIR, (ethmoid,)),
        Layer(Kind.MUCOSA, (ethmoid, cells)),
        solid(Kind.MUCOSA, (0, 26, -24), (15, 11, 17), over=_SOFT),
        solid(Kind.AIR, (0, 27, -26), (10, 8, 16)),
    ]


def _chewing(head: Head, side: int) -> list[Layer]:
    """Masseter, temporal and pterygoid muscles in fat, mandible, zygomatic arch."""
    space = ellipsoid((side * 48, 42, -12), (24, 34, 34))
    return [
        Layer(Kind.FAT, (space, waves_between(head.patches, 0.1, np.inf)), over=(Kind.MUSCLE,)),
        *tube(Kind.MUSCLE, [(side * 62, 40, -48), (side * 62, 34, -6)], [8.0, 7.0], over=_SOFT),
        *tube(Kind.MUSCLE, [(side * 54, 40, -8), (side * 61, 22, 40)], [8.0, 4.0], over=_SOFT),
        *tube(Kind.MUSCLE, [(side * 49, 18, -14), (side * 26, 44, -8)], [6.5, 8.5], over=_SOFT),
        *tube(Kind.MUSCLE, [(side * 46, 26, -55), (side * 24, 40, -14)], [7.5, 7.0], over=_SOFT),
        *tube(Kind.BONE, [(side * 51, 15, -4), (side * 52, 20, -20), (side * 51, 26, -55)], [6.5, 4.5, 5.0]),
        *tube(Kind.MARROW, [(side * 51, 15, -4), (side * 52, 20, -20), (side * 51, 26, -55)], [4.8, 2.6, 3.0]),
        *tube(Kind.BONE, [(side * 70, 14, 0), (side * 68, 40, 2), (side * 52, 66, 2)], [3.0, 3.0, 5.0], over=_SOFT),
        *tube(Kind.MARROW, [(side * 68, 40, 2), (side * 53, 65, 2)], [1.6, 3.2], over=(Kind.BONE,)),
    ]


def _orbit(side: int) -> list[Layer]:
    """Globe with lens, optic nerve and eye muscles in fat."""
    apex: Point = (side * 12, 38, 26)
    layers = [solid(Kind.FAT, (side * 33, 70, 26), (18, 27, 17), over=_SOFT)]
    layers += tube(Kind.FAT, [apex, (side * 30, 62, 26)], [4.0, 14.0], over=_SOFT)
    for dx, dz in ((11, 0), (-11, 0), (0, 11), (0, -11)):
        layers += tube(Kind.MUSCLE, [apex, (side * 33 + dx, 70, 26 + dz)], [1.2, 2.2], over=(Kind.FAT,))
    return [
        *layers,
        *tube(Kind.CSF, [apex, (side * 34, 69, 26)], 2.9, over=(Kind.FAT,)),
        *tube(Kind.NERVE, [(side * 4, 24, 29), apex, (side * 34, 69, 26)], 1.9),
        solid(Kind.MUSCLE, (side * 35, 80, 26), (12.8, 12.8, 12.8)),  # sclera
        solid(Kind.VITREOUS, (side * 35, 80, 26), (11.7, 11.7, 11.7)),
        solid(Kind.MUSCLE, (side * 35, 89, 26), (4.6, 2.0, 4.6)),  # lens
    ]


def _maxilla(side: int) -> list[Layer]:
    return [
        solid(Kind.BONE, (side * 30, 68, -8), (16, 20, 20), over=_SOFT),
        solid(Kind.MUCOSA, (side * 30, 68, -8), (15.0, 19.0, 19.0)),
        Layer(Kind.AIR, (maxillary_sinus(side),)),
    ]


def maxillary_sinus(side: int) -> Condition:
    """Its air; side 1 is the right one."""
    return ellipsoid((side * 30, 68, -8), (14.6, 18.6, 18.6))


def _ear_canal(side: int) -> list[Layer]:
    points: list[Point] = [(side * 49, 2, -1), (side * 66, -3, -3), (side * 92, -6, -4)]
    return [*tube(Kind.SKIN, points[1:], 5.5, over=_SOFT), *tube(Kind.AIR, points, [2.8, 3.4, 4.5])]


def _neck() -> list[Layer]:
    """Neck muscles in fat, spine with its marrow; the cord is the hindbrain's."""
    layers = []
    for side in (-1, 1):
        layers += tube(Kind.FAT, [(side * 26, -66, -42), (side * 24, -60, -90)], 13.0, over=(Kind.MUSCLE,))
        layers += tube(Kind.MUSCLE, [(side * 15, -62, -40), (side * 15, -58, -90)], 11.0, over=(Kind.FAT,))
        layers += tube(Kind.MUSCLE, [(side * 36, -52, -40), (side * 34, -48, -90)], 9.0, over=(Kind.FAT,))
        layers += tube(Kind.MUSCLE, [(side * 57, -22, -22), (side * 46, 0, -80)], [6.0, 9.0], over=(Kind.FAT,))
    layers += tube(Kind.BONE, [(0, 0, -36), (0, -2, -90)], 11.0, over=_SOFT)
    layers += tube(Kind.MARROW, [(0, 0, -36), (0, -2, -90)], 9.0, over=(Kind.BONE,))
    return [*layers, *tube(Kind.CSF, [(0, -10, -24), (0, -18, -50), (0, -20, -90)], [11.0, 8.5, 8.0])]
