"""The smooth deformation that makes no two heads alike and none symmetric."""

from dataclasses import dataclass

import numpy as np

from tanq_monai.phantom.painting.shapes import Array, Point, Waves, draw_waves

_WAVELENGTH = 75.0  # mm
_STILL = 16.0  # mm from an ear where half of it is left


@dataclass(frozen=True)
class Deformation:
    """Scanner position to position in the undeformed anatomy, mm.

    Args:
        waves: displacement along x, y and z, unit variance.
        ears: places that stay where they are, so that the ears keep their size and distance.
        height: standard deviation of the displacement far from the ears, mm.
        stretch: of the whole head along x, y and z; 1.1 makes it larger by a tenth, ears and all.
    """

    waves: tuple[Waves, Waves, Waves]
    ears: tuple[Point, Point]
    height: float = 1.1
    stretch: Point = (1.0, 1.0, 1.0)

    def __call__(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Deformed positions, shape of the broadcast x, y, z."""
        x, y, z = x / self.stretch[0], y / self.stretch[1], z / self.stretch[2]
        height = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), self.height)
        for ear in self.ears:
            squares = ((x - ear[0]) ** 2 + (y - ear[1]) ** 2 + (z - ear[2]) ** 2) / _STILL**2
            height *= squares / (1 + squares)
        wx, wy, wz = (height * wave(x, y, z) for wave in self.waves)
        return x + wx, y + wy, z + wz


def draw_deformation(rng: np.random.Generator, ears: tuple[Point, Point]) -> Deformation:
    """A random deformation that leaves the two ears alone."""
    waves = (draw_waves(rng, _WAVELENGTH), draw_waves(rng, _WAVELENGTH), draw_waves(rng, _WAVELENGTH))
    return Deformation(waves, ears)
