"""Random schwannomas that measure what schwannomas of patients measure."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from tanq_monai.phantom.anatomy.inner_ear import InnerEar
from tanq_monai.phantom.anatomy.population import (
    VS_EXTENT,
    VS_OFFSET,
    VS_VOLUME,
    VsTarget,
    draw_vs_target,
    draw_vs_volume,
    inside,
)
from tanq_monai.phantom.anatomy.room import Deform, Mask, Room, is_one_piece, koos_grade, open_room
from tanq_monai.phantom.anatomy.schwannoma import Schwannoma, Shape
from tanq_monai.phantom.painting.shapes import Array, Layer, Point, as_points, draw_waves

_TRIES, _TRIES_EACH = 100, 10  # in all, and of one volume
_STEPS = 7
_WALL = 0.9  # mm of solid tumor round its cysts
_SMALLEST = 0.8  # mm, radius of a cyst


def draw_schwannoma(
    rng: np.random.Generator, ear: InnerEar, ridge: float, ground: list[Layer], brain: list[Layer], deform: Deform
) -> Schwannoma:
    """A tumor that grew from ``ear``'s canal.

    Extents, offset and shape are drawn again until the tumor as it lies between the bones measures what
    :mod:`tanq_monai.phantom.anatomy.population` allows; every ten times with another volume.

    Args:
        rng: for all draws.
        ear: of the affected side.
        ridge: shift of the petrous ridge, mm.
        ground: bones and ear without tumor.
        brain: brainstem and cerebellum.
        deform: scanner position to position in the anatomy, mm.

    Raises:
        RuntimeError: when none of a hundred tumors fits.
    """
    for attempt in range(_TRIES):
        if attempt % _TRIES_EACH == 0:
            volume = draw_vs_volume(rng)
            room = open_room(ear, volume, ground, deform)
        target = draw_vs_target(rng, volume)
        shape = _fit(_first_shape(rng, ear, target, ridge), target, room)
        filled = room.fill(shape)
        size = room.measure(filled)
        if _passes(size) and is_one_piece(filled):
            break
    else:
        raise RuntimeError(f"none of {_TRIES} tumors fits into this head")
    koos = koos_grade(shape, filled, room, brain)
    return Schwannoma(
        volume=size.volume,
        koos=koos,
        shape=shape,
        texture=draw_waves(rng, wavelength=max(4.0, 0.5 * volume ** (1 / 3)), number=10, spread=0.6),
        looseness=float(rng.uniform(0.3, 1.6)),
        contact=draw_waves(rng, wavelength=1.5 * volume ** (1 / 3)),
        adhesion=float(rng.uniform(0.0, 2.0)) if koos > 2 else float("inf"),
        cysts=_draw_cysts(rng, room, filled),
    )


def _first_shape(rng: np.random.Generator, ear: InnerEar, target: VsTarget, ridge: float) -> Shape:
    """Root, widened porus and lobes before they are fitted."""
    width = target.volume ** (1 / 3)
    fundus, porus = np.asarray(ear.fundus), np.asarray(ear.porus)
    root = min(ear.canal_radius + 0.2, 0.2 * width + 0.6)
    center = np.asarray(ear.place(*(np.array([-1.0, -1.0, 1.0]) * target.offset)))
    radii = target.extent * np.array([0.36, 0.46, 0.46])
    lobes = [(center, radii)]
    for _ in range(int(rng.integers(1, 4))):
        direction = rng.standard_normal(3)
        direction /= np.sqrt((direction**2).sum())
        share = rng.uniform(0.4, 0.62)
        lobes.append((center + 0.98 * (1 - share) * radii * direction * 1.25, share * radii * rng.normal(1, 0.1, 3)))
    return Shape(
        tip=_point(fundus + rng.uniform(0.05, 0.35) * (porus - fundus)),
        porus=_point(porus),
        root_radii=(0.75 * root, root),
        widening=min(root + 0.07 * width + 1.0, 5.5),
        lobes=tuple((_point(c), _point(r)) for c, r in lobes),
        bumps=draw_waves(rng, wavelength=0.9 * width),
        roughness=0.03 * width * float(rng.uniform(0.3, 1)),
        ridge=ridge,
    )


def _fit(shape: Shape, target: VsTarget, room: Room) -> Shape:
    """Shift and stretch the lobes, and shorten the root, until the tumor between the bones measures what it should.

    Front-back and up-down follow the extent, left-right of the lobes follows the volume, and the root's length gives
    the left-right extent. The last two of the steps follow the volume in all directions.
    """
    for step in range(_STEPS):
        last, fine = step == _STEPS - 1, step >= _STEPS - 3
        seen = room if fine else room.coarse()
        size = seen.measure(seen.fill(shape))
        if size.volume == 0:
            break
        stretch = (target.extent / size.extent) ** 0.8
        if step >= _STEPS - 2:
            stretch[:] = np.clip(target.volume / size.volume, 0.7, 1.4) ** 0.33
        else:
            stretch[0] = np.clip(target.volume / size.volume / stretch[1:].prod(), 0.7, 1.4) ** 0.9
        shift = (target.offset - size.offset) * (-room.ear.side, -1, 1)
        shape = _changed(shape, stretch, np.zeros(3) if last else 0.9 * shift)
        shape = _with_root(shape, target.extent[0] - size.extent[0], room.ear)
    return shape


def _changed(shape: Shape, stretch: Array, shift: Array) -> Shape:
    """The lobes stretched about the main one's center, then shifted."""
    origin = np.asarray(shape.lobes[0][0])
    lobes = tuple(
        (_point(origin + (np.asarray(c) - origin) * stretch + shift), _point(np.asarray(r) * stretch))
        for c, r in shape.lobes
    )
    return replace(shape, lobes=lobes)


def _with_root(shape: Shape, longer: float, ear: InnerEar) -> Shape:
    """The root longer by so many mm, between the canal's fundus and a short stump."""
    fundus, porus = np.asarray(ear.fundus), np.asarray(ear.porus)
    length = abs(porus[0] - fundus[0])
    part = abs(shape.tip[0] - fundus[0]) / length
    part = min(max(part - 0.8 * longer / length, 0.0), 0.8)
    return replace(shape, tip=_point(fundus + part * (porus - fundus)))


def _passes(size: VsTarget) -> bool:
    return (
        VS_VOLUME[0] <= size.volume <= VS_VOLUME[1]
        and inside(size.extent, VS_EXTENT)
        and inside(size.offset, VS_OFFSET)
    )


def _draw_cysts(rng: np.random.Generator, room: Room, filled: Mask) -> tuple[tuple[Point, Point], ...]:
    """None, one large central cyst, or some small ones; every cyst keeps a wall. More often in large tumors."""
    depth = ndimage.distance_transform_edt(filled, sampling=room.step) - _WALL - room.step
    large = float(np.clip(0.45 * (np.log10(np.count_nonzero(filled) * room.step**3) - 2.6), 0, 0.5))
    if rng.random() >= large or depth.max() < _SMALLEST:
        return ()
    if rng.random() < 0.5:
        chosen = [np.unravel_index(int(depth.argmax()), depth.shape)]
    else:
        deep = np.argwhere(depth >= _SMALLEST)
        chosen = [tuple(deep[i]) for i in rng.integers(len(deep), size=int(rng.integers(2, 6)))]
    cysts = [(_point(room.places[i]), _point(depth[i] * rng.uniform(0.7, 1.0, 3))) for i in chosen]
    return tuple(cysts)


def _point(array: Array) -> Point:
    return as_points(np.asarray(array)[None])[0]
