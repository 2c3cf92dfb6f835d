"""Looks of no scanner: slices seen through random filters, for a segmenter that meets hospitals it never saw."""

import torch
from batchgeneratorsv2.transforms.base.basic_transform import ImageOnlyTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor
from torch.nn import functional as F

_LAYERS, _CHANNELS, _KERNELS = 4, 2, (1, 3)
_SLOPE = 0.01  # of leaky ReLU


class RandomFilters(ImageOnlyTransform):  # type: ignore[misc]
    """Blends an image with what a small random network makes of it: other levels and texture, edges where they were.

    Four convolutions of two channels, with kernels of one or three pixels, drawn anew for every image; a random share
    of the image itself stays. Mean and standard deviation remain those of the image.

    References:
        Ouyang et al., "Causality-inspired single-source domain generalization for medical image segmentation", IEEE
        Trans. Med. Imaging 42, 2023 (there GIN; the norm is kept there, mean and standard deviation here).
    """

    def _apply_to_image(self, image: Tensor, **_: object) -> Tensor:
        """(C, y, x) or (C, z, y, x), floats; every channel by itself, all by the same filters."""
        dimensions = image.ndim - 1
        convolve = F.conv2d if dimensions == 2 else F.conv3d
        x = image[:, None]
        for layer in range(_LAYERS):
            given, wanted = x.shape[1], 1 if layer == _LAYERS - 1 else _CHANNELS
            kernel = _KERNELS[int(torch.randint(len(_KERNELS), ()))]
            weight = torch.randn(wanted, given, *(kernel,) * dimensions)
            x = convolve(x, weight, torch.randn(wanted), padding=kernel // 2)
            if layer < _LAYERS - 1:
                x = F.leaky_relu(x, _SLOPE)
        filtered, share = _standard(x[:, 0]), torch.rand(())
        return _standard(share * _standard(image) + (1 - share) * filtered) * _deviation(image) + _mean(image)


def draw_appearance(transforms: ComposeTransforms, share: float) -> None:
    """Let nnU-Net's augmentation, changed in place, see this share of the patches through random filters.

    They come before noise, blur and gamma, which are a scanner's.
    """
    if share:
        steps = transforms.transforms
        first = next(number for number, step in enumerate(steps) if isinstance(step, RandomTransform))
        steps.insert(first, RandomTransform(RandomFilters(), apply_probability=share))


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=tuple(range(1, x.ndim)), keepdim=True)


def _deviation(x: Tensor) -> Tensor:
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


def _standard(x: Tensor) -> Tensor:
    """Of zero mean and unit standard deviation; a flat image becomes 0."""
    return (x - _mean(x)) / _deviation(x).clamp(min=1e-6)
