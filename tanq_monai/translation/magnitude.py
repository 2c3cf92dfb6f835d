"""The translator's range of intensities as that of a magnitude image, for tensors, with gradients."""

from torch import Tensor


def to_magnitude(slices: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], as :func:`tanq_monai.translation.intensity.from_unit_range`; at least float32."""
    return (slices.float().clamp(-1, 1) + 1) / 2
