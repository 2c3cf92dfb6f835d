"""After an operation: the internal auditory canal drilled open where a schwannoma was."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.anatomy.inner_ear import InnerEar
from tanq_monai.phantom.painting.shapes import Layer, Point, Waves, as_points, draw_waves, rod, solid, waves_between
from tanq_monai.phantom.tissues import Kind

_BONE = (Kind.BONE, Kind.MARROW)
_SCAR = 0.9  # mm thick


@dataclass(frozen=True)
class Cavity:
    """A resection cavity.

    Args:
        path: its lateral and its medial end, mm.
        radii: there, mm.
        fat: center and radii of the fat that closes its lateral end, mm.
        scar: where its wall takes up contrast.
    """

    path: tuple[Point, Point]
    radii: tuple[float, float]
    fat: tuple[Point, Point]
    scar: Waves


def draw_cavity(rng: np.random.Generator, ear: InnerEar) -> Cavity:
    """The canal opened from behind, as after a retrosigmoid approach; the fundus stays closed, the labyrinth whole."""
    fundus, porus = np.asarray(ear.fundus), np.asarray(ear.porus)
    ends = fundus + np.array([[rng.uniform(0.25, 0.4)], [1.1]]) * (porus - fundus)
    ends += np.array([[0.0, -0.6, 0.2], [0.0, -1.4, 0.3]])
    start, end = as_points(ends)
    wide = float(ear.canal_radius + rng.uniform(0.4, 1.2))
    size = float(rng.uniform(0.9, 1.5))
    return Cavity((start, end), (wide, wide + 1.8), (start, (1.3 * size, size, size)), draw_waves(rng, wavelength=6.0))


def cavity_layers(cavity: Cavity) -> list[Layer]:
    """Scar along parts of the wall, CSF, fat."""
    scarred = waves_between(cavity.scar, -0.3, float("inf"))
    wall = rod(*cavity.path, cavity.radii, below=_SCAR)
    return [
        Layer(Kind.MUCOSA, (wall, scarred), over=_BONE),
        Layer(Kind.CSF, (rod(*cavity.path, cavity.radii),), over=(*_BONE, Kind.MUCOSA, Kind.NERVE)),
        solid(Kind.FAT, *cavity.fat, over=(Kind.CSF,)),
    ]
