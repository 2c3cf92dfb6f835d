"""The cochlea: two and a half turns of fluid round the modiolus, with bone between them."""

import numpy as np

from tanq_monai.phantom.painting.shapes import Array, Layer, Point, as_points, tube
from tanq_monai.phantom.tissues import Kind

_STEPS = 38
_TURNS = 2.5
_ANGLES = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5])  # turns from the round window
_SPIRAL = np.array([3.75, 3.05, 2.6, 2.1, 1.6, 1.15, 0.65])  # distance of the lumen's middle from the axis, mm
_HEIGHT = np.array([-0.3, 0.0, 0.1, 0.9, 1.7, 2.2, 2.6])  # along the axis, mm
_LUMEN = np.array([1.00, 0.97, 0.91, 0.79, 0.67, 0.60, 0.55])  # radius, mm
_HOOK = 0.14  # turns next to the vestibule that contours leave out
_SEPTUM = 0.11  # mm of bone round the lumen that contours include


def cochlear_turns(size: float, yaw: float, pitch: float, side: int) -> tuple[Array, Array]:
    """Center line (N, 3) and radius (N,) of the lumen, mm, from the round window to the apex.

    The origin is the middle of what is labelled.

    At size 1 the lumen measures 8.2 mm from the round window to the opposite wall, 6.4 mm across and 4.4 mm from base
    to apex. (Bony cochleae have about 8.75 x 6.53 x 3.26 mm; this one is higher, to meet the contours' extent.)

    Args:
        size: scale of all.
        yaw: direction of the axis, from base to apex, in the axial plane: degrees from lateral to anterior.
        pitch: of the same axis below the axial plane, degrees.
        side: +1 right, -1 left.
    """
    turn = np.linspace(0, _TURNS, _STEPS)
    spiral, height, lumen = (np.interp(turn, _ANGLES, values) for values in (_SPIRAL, _HEIGHT, _LUMEN))
    angle = 2 * np.pi * turn
    local = np.stack([spiral * np.cos(angle), 0.86 * spiral * np.sin(angle), height], axis=1)
    tilt, turned = np.radians(pitch), np.radians(yaw)
    axis = np.array([np.cos(turned) * np.cos(tilt), np.sin(turned) * np.cos(tilt), -np.sin(tilt)])
    back = np.array([np.sin(turned), -np.cos(turned), 0.0])  # lateral and posterior: where the round window is
    places = local @ np.stack([back, np.cross(axis, back), axis])
    labelled = turn >= _HOOK
    middle = np.average(places[labelled], axis=0, weights=lumen[labelled] ** 2 * spiral[labelled])
    return (places - middle) * size * (side, 1, 1), lumen * size


def cochlea_layers(center: Point, turns: tuple[Array, Array], fluid: float) -> list[Layer]:
    """Bone and modiolus, the fluid turns, the spiral lamina in them, and the unlabelled hook next to the vestibule.

    Args:
        center: middle of the label, mm.
        turns: of :func:`cochlear_turns`.
        fluid: width of the turns relative to the average.
    """
    places, lumen = turns[0] + np.asarray(center), turns[1] * fluid
    points, hook = as_points(places), _hook_points()
    return [
        *tube(Kind.PERILYMPH, points[: hook + 1], list(0.9 * lumen)),
        *label_layers(center, turns, fluid),
        *tube(Kind.COCHLEA, points[hook:], list(lumen[hook:])),
        *tube(Kind.MODIOLUS, *_lamina(places, lumen), over=(Kind.COCHLEA,)),
    ]


def label_layers(center: Point, turns: tuple[Array, Array], fluid: float) -> list[Layer]:
    """All that bears the label: the turns with the bone between them and the modiolus inside."""
    places, hook = turns[0] + np.asarray(center), _hook_points()
    points, radii = as_points(places[hook:]), turns[1][hook:] * fluid + _SEPTUM
    base, apex = as_points(np.stack([places[hook : hook + 15].mean(0), places[-15:].mean(0)]))
    return [
        *tube(Kind.MODIOLUS, [base, apex], [1.25 * float(radii[0]), 1.1 * float(radii[-1])]),
        *tube(Kind.MODIOLUS, points, list(radii)),
    ]


def _lamina(places: Array, lumen: Array) -> tuple[list[Point], list[float]]:
    """The osseous spiral lamina: a thin shelf from the modiolus into the inner half of the lumen."""
    hook = _hook_points()
    axis = places[-15:].mean(0) - places[hook : hook + 15].mean(0)
    axis /= np.sqrt((axis**2).sum())
    inward = places.mean(0) - places
    inward -= (inward @ axis)[:, None] * axis
    inward /= np.sqrt((inward**2).sum(1, keepdims=True)) + 1e-9
    shelf = places + 0.6 * lumen[:, None] * inward
    return as_points(shelf[hook:-4]), [0.11] * (len(places) - hook - 4)


def _hook_points() -> int:
    return int(np.searchsorted(np.linspace(0, _TURNS, _STEPS), _HOOK))
