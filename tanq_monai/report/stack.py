"""A case in pictures: axial slices through the structures, and a coronal and a sagittal plane of each of them.

A slice is cropped to the ears (104 x 64 mm), and a case has at most 32 of them; with what
:mod:`tanq_monai.report.drawing` does, 64 cases stay below 50 MB whatever the scans show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tanq_monai.report.axial import EARS_MM, Place, Volume, Window, corner_of, ears, grey_limits, places
from tanq_monai.report.drawing import AXIAL, CORONAL, SAGITTAL, UNITS, Box, Cut, Drawing, draw
from tanq_monai.structures import Structures

MAX_SLICES = 32
BESIDE = 2  # slices shown above and below a structure
SCALE_MM = 20  # of the whole window; a closer look divides both by the same number
CLOSER = {"cochlea": 4}  # other structures: 2
BRIGHTEST = 4.0
TALL = 40 / 52  # height of the coronal and sagittal pictures, as a part of their width


@dataclass(frozen=True)
class Slice:
    """One axial picture.

    Args:
        z: slice number from the feet, from 0.
        mm: above the lowest slice.
        drawing: its picture and outlines.
        beside: the same of the other contrast, where there is one.
        shows: the structures that it stands for on paper, usually none.
        row: the number, from 1, of the first of them among the case's views; 0 without.
    """

    z: int
    mm: float
    drawing: Drawing
    beside: Drawing | None
    shows: Sequence[str]
    row: int


@dataclass(frozen=True)
class Reformat:
    """A coronal or sagittal picture.

    Args:
        plane: coronal or sagittal.
        drawing: its picture and outlines.
        lowest: how far below its upper edge the middle of slice 0 lies, hundredths of mm.
        step: how far above one slice the next one lies.
    """

    plane: str
    drawing: Drawing
    lowest: float
    step: float

    def height_of(self, z: int) -> int:
        """How far below its upper edge an axial slice cuts it."""
        return round(self.lowest - self.step * z)


@dataclass(frozen=True)
class View:
    """A place to look at closely.

    Args:
        name: of the structure, with its side.
        structure: its name alone.
        z: slice number.
        box: the part of the axial drawing.
        scale_mm: what the scale bar then measures.
        bright: by what the picture is multiplied to show it as bright as the whole; a cochlea is darker than fluid.
        crossing: where in the axial drawing the sagittal plane cuts it (x) and the coronal one (y).
        reformats: the coronal and the sagittal picture.
    """

    name: str
    structure: str
    z: int
    box: Box
    scale_mm: int
    bright: float
    crossing: tuple[int, int]
    reformats: Sequence[Reformat]


@dataclass(frozen=True)
class Stack:
    """The slices of a case, from the feet up.

    Args:
        slices: those with a structure, predicted or true, and some beside them.
        depth: slices of the whole scan.
        views: places of the structures, the truth's before the prediction's.
        outside_mm3: of each structure, what was predicted outside the window.
    """

    slices: Sequence[Slice]
    depth: int
    views: Sequence[View]
    outside_mm3: Mapping[str, float]


class _Spot(NamedTuple):
    """A place, the voxel (i, j) of its slice where the other planes cut, how close and how bright it is shown."""

    place: Place
    through: tuple[int, int]
    times: int
    bright: float


def make_stack(
    scan: Volume, found: Volume, true: Volume | None, structures: Structures, beside: Volume | None = None
) -> Stack:
    """Draw a case.

    Args:
        scan: grey values.
        found: the predicted labels, on the grid of ``scan``.
        true: the true ones, where there are some.
        structures: names and label values.
        beside: another contrast, on the grid of ``scan``, whose axial slices stand beside.
    """
    window, limits = ears(found if true is None or not true.values.any() else true), grey_limits(scan)
    best = _best_known(found, true, structures)
    spots = [_spot(place, best, scan, limits, structures) for place in places(best, structures)]
    holds = np.any([labels.values.any(axis=(0, 1)) for labels in (found, true) if labels is not None], axis=0)
    numbers = shown_slices(holds, {spot.place.z for spot in spots})
    cuts = [Cut(scan, AXIAL, z, window, limits) for z in numbers]
    cuts += [_reformatted(axis, spot, scan, limits) for spot in spots for axis in (CORONAL, SAGITTAL)]
    if beside is not None:
        cuts += [Cut(beside, AXIAL, z, window, grey_limits(beside)) for z in numbers]
    drawings = draw(cuts, found, true, structures)
    drawn, reformatted = iter(drawings), iter(drawings[len(numbers) :])
    others = [None] * len(numbers) if beside is None else drawings[-len(numbers) :]
    slices = [_slice(z, scan, next(drawn), other, spots) for z, other in zip(numbers, others, strict=True)]
    views = [_view(spot, window, scan, (next(reformatted), next(reformatted))) for spot in spots]
    return Stack(slices, scan.values.shape[2], views, _outside(found, window, structures))


def shown_slices(holds: npt.NDArray[np.bool_], keys: set[int]) -> list[int]:
    """Numbers of the slices to show: those that hold a structure and two beside; every few of them if they are many.

    Args:
        holds: (Z,), whether a slice holds a structure.
        keys: slices to show anyway.
    """
    wanted = holds.copy()
    wanted[list(keys)] = True
    reach = np.flatnonzero(wanted)[:, None] + np.arange(-BESIDE, BESIDE + 1)
    near = np.intersect1d(reach, np.arange(len(wanted)))
    if len(near) <= MAX_SLICES:
        return [int(z) for z in near]
    spread = near[np.linspace(0, len(near) - 1, MAX_SLICES - len(keys)).round().astype(int)]
    return sorted({*(int(z) for z in spread), *keys})


def _best_known(found: Volume, true: Volume | None, structures: Structures) -> Volume:
    """The true labels, and of the prediction the structures that the truth lacks."""
    if true is None:
        return found
    lacking = [value for value in structures.values() if not np.any(true.values == value)]
    more = np.isin(found.values, lacking) & (true.values == 0)
    return found._replace(values=np.where(more, found.values, true.values))


def _slice(z: int, scan: Volume, drawing: Drawing, beside: Drawing | None, spots: Sequence[_Spot]) -> Slice:
    shown = {number: spot.place.name for number, spot in enumerate(spots, start=1) if spot.place.z == z}
    return Slice(z, z * float(scan.spacing[2]), drawing, beside, [*shown.values()], min(shown, default=0))


def _spot(place: Place, labels: Volume, scan: Volume, limits: tuple[float, float], structures: Structures) -> _Spot:
    times = CLOSER.get(place.structure, 2)
    (black, white), (_, brightest) = limits, grey_limits(scan, place.z, Window(place.centre, _closer(times)))
    bright = float(np.clip((white - black) / max(brightest - black, 1e-6), 1, BRIGHTEST))
    voxels = np.argwhere(labels.values[:, :, place.z] == structures[place.structure])
    centre = np.array(place.centre) / labels.spacing[:2] - 0.5
    if not len(voxels):
        voxels = np.rint(centre)[None].astype(int)
    i, j = voxels[np.linalg.norm((voxels - centre) * labels.spacing[:2], axis=1).argmin()]
    return _Spot(place, (int(i), int(j)), times, bright)


def _closer(times: int) -> tuple[float, float]:
    return EARS_MM[0] / times, EARS_MM[1] / times


def _reformatted(axis: int, spot: _Spot, scan: Volume, limits: tuple[float, float]) -> Cut:
    """The plane through a spot, all of the structure's height in its middle, as bright as a closer look shows it."""
    (i, j), wide = spot.through, _closer(spot.times)[0]
    index, across = (j, i) if axis == CORONAL else (i, j)
    below_top = scan.values.shape[2] - 1 - spot.place.middle_z
    middle = (np.array([across, below_top]) + 0.5) * np.delete(scan.spacing, axis)
    black, white = limits
    window = Window((float(middle[0]), float(middle[1])), (wide, wide * TALL))
    return Cut(scan, axis, index, window, (black, black + (white - black) / spot.bright))


def _view(spot: _Spot, window: Window, scan: Volume, drawings: tuple[Drawing, Drawing]) -> View:
    place, size = spot.place, _closer(spot.times)
    edges = np.array([*np.subtract(corner_of(Window(place.centre, size)), corner_of(window)), *size])
    x, y, wide, tall = (int(edge) for edge in np.rint(UNITS * edges))
    crossing = (np.array(spot.through) + 0.5) * scan.spacing[:2] - corner_of(window)
    left, top = (int(edge) for edge in np.rint(UNITS * crossing))
    step = UNITS * float(scan.spacing[2])
    reformats = [
        Reformat(plane, drawing, drawing.size[1] / 2 + step * place.middle_z, step)
        for plane, drawing in zip(("coronal", "sagittal"), drawings, strict=True)
    ]
    box, scale_mm = (x, y, wide, tall), SCALE_MM // spot.times
    return View(place.name, place.structure, place.z, box, scale_mm, spot.bright, (left, top), reformats)


def _outside(labels: Volume, window: Window, structures: Structures) -> dict[str, float]:
    """mm3 of each structure whose voxels have their middle outside the window; those without any left out."""
    voxel_mm3, corner = float(np.prod(labels.spacing)), np.array(corner_of(window))
    volumes = {}
    for name, value in structures.items():
        at = (np.argwhere(labels.values == value)[:, :2] + 0.5) * labels.spacing[:2] - corner
        volumes[name] = float(((at < 0) | (at > window.size)).any(axis=1).sum()) * voxel_mm3
    return {name: mm3 for name, mm3 in volumes.items() if mm3}
