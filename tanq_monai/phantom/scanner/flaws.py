"""What goes wrong in a scan: motion, pulsation, few lines of k-space, folding, uneven coils and tissues."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.phantom.painting.paint import Float32
from tanq_monai.phantom.painting.shapes import Array

_STILL = 0.3  # share of k-space, round its middle, in which a patient who moves lies still
_SHARES = {"motion": 0.2, "pulsation": 0.25, "truncation": 0.4, "folding": 0.1}


@dataclass(frozen=True)
class Flaws:
    """The flaws of one scan. Phase is encoded along the first axis of a slice, as far as they concern it.

    Args:
        shading: power of the coil's shading; 1 as on the sites' scanners.
        folded: voxels of each side onto which tissue beyond the other side is folded.
        sampled: share of k-space that is acquired along both axes of a slice; below 1 edges ring.
        displacement: of the patient in every line of k-space, lowest frequency first, voxels; empty: none.
        texture: of the tissues, as (standard deviation of the logarithm, wavelength in voxels, seed).
    """

    shading: float = 1.0
    folded: int = 0
    sampled: float = 1.0
    displacement: tuple[float, ...] = ()
    texture: tuple[float, float, int] = (0.0, 1.0, 0)

    def spoil(self, image: Float32) -> Float32:
        """The image (X, Y, Z) with texture, displaced lines and missing corners of k-space; without any, itself."""
        if self.texture[0]:
            image = image * _draw_texture(image.shape, *self.texture)
        if not self.displacement and self.sampled >= 1:
            return image
        lines = np.fft.fft2(image, axes=(0, 1)).astype(np.complex64)
        frequencies = [np.fft.fftfreq(number) for number in image.shape[:2]]
        if self.displacement:
            places = np.abs(frequencies[0]) * 2 * (len(self.displacement) - 1)
            shift = np.asarray(self.displacement)[np.round(places).astype(int)]
            lines *= np.exp(-2j * np.pi * frequencies[0] * shift).astype(np.complex64)[:, None, None]
        for axis, frequency in enumerate(frequencies):
            lost = np.abs(frequency) > self.sampled / 2
            np.moveaxis(lines, axis, 0)[lost] = 0
        spoilt: Float32 = np.abs(np.fft.ifft2(lines, axes=(0, 1))).astype(np.float32)
        return spoilt


FLAWLESS = Flaws()


def draw_flaws(rng: np.random.Generator, shape: tuple[int, int, int]) -> Flaws:
    """Some flaws, mostly slight ones, for a scan of this shape."""
    happens = {name: bool(rng.random() < share) for name, share in _SHARES.items()}
    displacement = np.zeros(shape[0])
    if happens["motion"]:
        displacement += _draw_motion(rng, shape[0])
    if happens["pulsation"]:
        displacement += rng.uniform(0.1, 0.6) * np.sin(np.arange(shape[0]) * rng.uniform(0.3, 2.5))
    moved = happens["motion"] or happens["pulsation"]
    return Flaws(
        shading=float(rng.uniform(0.7, 3.0)),
        folded=int(rng.integers(5, shape[0] // 6)) if happens["folding"] else 0,
        sampled=float(rng.uniform(0.55, 0.95)) if happens["truncation"] else 1.0,
        displacement=tuple(float(value) for value in displacement) if moved else (),
        texture=(float(rng.uniform(0.0, 0.12)), float(rng.uniform(2, 10)), int(rng.integers(2**31))),
    )


def _draw_motion(rng: np.random.Generator, lines: int) -> Array:
    """One to four sudden moves of up to some voxels, outside the middle of k-space."""
    moves = np.zeros(lines)
    for start in rng.uniform(_STILL, 1.0, int(rng.integers(1, 5))):
        moves[int(start * lines) :] += rng.normal(0, 1.0)
    return moves


def _draw_texture(shape: tuple[int, ...], deviation: float, wavelength: float, seed: int) -> Float32:
    """Factors of a log-normal field with correlations over a fourth of the wavelength (voxels)."""
    noise: NDArray[np.float32] = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, wavelength / 4, mode="wrap", truncate=3)
    factors: Float32 = np.exp(noise * np.float32(deviation / max(float(noise.std()), 1e-6)))
    return factors
