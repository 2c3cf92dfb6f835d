"""Canal and cerebellopontine angle on a lattice: the room that a schwannoma has, what it measures, its grade."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.phantom.anatomy.inner_ear import InnerEar
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.anatomy.population import VsTarget
from tanq_monai.phantom.anatomy.schwannoma import BONES, SOFT, Shape, outline_layers
from tanq_monai.phantom.painting.shapes import Array, Condition, Field, Layer
from tanq_monai.phantom.tissues import Kind

_INTRACANALICULAR = 2.0  # mm beyond the porus
_TOUCHED, _DISPLACED = 2.6, 6.2  # mm into the undisplaced brain: so much give flocculus and cistern, then the brain
_EVERYWHERE = Condition(Field.ZERO, below=1.0)

Mask = NDArray[np.bool_]
Deform = Callable[[Array, Array, Array], tuple[Array, Array, Array]]


@dataclass(frozen=True)
class Room:
    """The place where a tumor grows, sampled on a lattice in scanner space.

    Args:
        ear: of the same side.
        step: of the lattice, mm.
        lattice: points in scanner space, (I, J, K, 3), mm.
        places: the same points in the undeformed anatomy.
        ground: what is there without a tumor, (I, J, K).
    """

    ear: InnerEar
    step: float
    lattice: Array
    places: Array
    ground: NDArray[np.uint8]

    def fill(self, shape: Shape) -> Mask:
        """The points (I, J, K) inside a tumor."""
        parts = outline_layers(shape)  # on bone only the first ones show
        filled: Mask = np.zeros(self.ground.shape, np.bool_)
        for kind, grounds in ((Kind.CSF, SOFT), (Kind.BONE, BONES)):
            wanted = np.isin(self.ground, grounds)
            filled |= paint_lattice([Layer(kind, (_EVERYWHERE,)), *parts], self.places, 14, wanted) == Kind.VS
        return filled

    def coarse(self) -> "Room":
        """Every second point along each axis."""
        part = (slice(None, None, 2),) * 3
        return Room(self.ear, 2 * self.step, self.lattice[part], self.places[part], self.ground[part])

    def measure(self, filled: Mask) -> VsTarget:
        """Volume, extent, and offset from the cochlea: medial, posterior, superior."""
        points = self.lattice[filled]
        if len(points) == 0:
            return VsTarget(0.0, np.zeros(3), np.zeros(3))
        offset = (points.mean(0) - self.ear.cochlea) * (-self.ear.side, -1, 1)
        return VsTarget(len(points) * self.step**3, np.ptp(points, axis=0) + self.step, offset)


def open_room(ear: InnerEar, volume: float, ground: list[Layer], deform: Deform) -> Room:
    """Lattice round the canal and the angle, finer for a small tumor."""
    width = volume ** (1 / 3)
    step = min(max(width / 16, 0.4), 0.9)
    middle = np.array(ear.place(-3.5 - 0.75 * width, -3.0 - 0.45 * width, 2.0 + 0.12 * width))
    half = np.array([4.0 + 0.85 * width, 3.0 + 0.85 * width, 3.0 + 0.85 * width])
    lattice = make_lattice(middle - half, middle + half, step)
    places = np.stack(deform(*np.moveaxis(lattice, -1, 0)), axis=-1)
    kinds = paint_lattice([Layer(Kind.CSF, (_EVERYWHERE,)), *ground], places, block=16)
    return Room(ear, step, lattice, places, kinds)


def is_one_piece(filled: Mask) -> bool:
    """Whether it is all there, inside the lattice, without more than a crumb apart."""
    pieces, number = ndimage.label(filled)
    if number == 0 or any(np.take(filled, end, axis).any() for axis in range(3) for end in (0, -1)):
        return False
    return bool(np.bincount(pieces.ravel())[1:].max() > 0.995 * np.count_nonzero(filled))


def koos_grade(shape: Shape, filled: Mask, room: Room, layers: list[Layer]) -> int:
    """Grade from how far the tumor leaves the canal, and how deep it reaches into where the brain was."""
    beyond = float(((room.places[filled][:, 0] - shape.porus[0]) * -room.ear.side).max())
    kinds = paint_lattice([Layer(Kind.CSF, (_EVERYWHERE,)), *layers], room.places, block=16)
    brain = (kinds == Kind.WHITE_MATTER) | (kinds == Kind.GRAY_MATTER)
    brain = ndimage.binary_closing(brain, iterations=max(1, round(1.0 / room.step))) & (room.ground == Kind.CSF)
    depth = 0.0
    if (brain & filled).any():
        depth = float(ndimage.distance_transform_edt(brain, sampling=room.step)[filled].max())
    if depth < _TOUCHED:
        return 1 if beyond < _INTRACANALICULAR else 2
    return 3 if depth < _DISPLACED else 4
