"""A segmenter's ONNX file on a scan, as ``vs_cochlea_seg/configs/inference.yaml`` does it. Plan space is z, y, x."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.choices.kinds import Flag
from tanq_monai.deploy.engines import Engine
from tanq_monai.deploy.runtime.resampling import Volume, resample
from tanq_monai.errors import InputError
from tanq_monai.scans.grid import STORED
from tanq_monai.segmentation.inference.windows import gaussian_weight, padding_to, summed_weights, window_places
from tanq_monai.segmentation.plan.space import Placement, PlanSpace, crop_and_normalize
from tanq_monai.segmentation.plan.splines import Interpolation

OVERLAP = 0.5  # of neighbouring windows, nnU-Net's


def segment(
    engine: Engine, properties: Mapping[str, Any], scan: NDArray[Any], affine: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Labels (i, j, k) of a scan (i, j, k).

    Args:
        engine: that runs the file.
        properties: of the file.
        scan: any unit and number type.
        affine: voxel to mm, (4, 4).
    """
    space = plan_space(properties)
    image, placement = _to_plan_space(scan, affine, space)
    network = SlidingWindow(
        engine, properties["patch_size"], len(properties["classes"]), properties.get("mirror_axes", ())
    )
    label = np.zeros(placement.full_shape, dtype=np.uint8)
    box = label[placement.slices]
    for slab in _slabs(image, network.window, space):
        box[slab] = label_map(network(image[slab]), box[slab].shape, placement.spacing, space)
    return placement.stored(label)


def plan_space(properties: Mapping[str, Any]) -> PlanSpace:
    """The plan's space as the file describes it.

    Raises:
        InputError: when it describes none.
    """
    try:
        return PlanSpace(
            spacing=tuple(properties["spacing"]),
            transpose=tuple(properties["transpose"]),
            nonzero_only=Flag().parse(properties["normalization"]["nonzero_only"]),
            image=Interpolation(**properties["interpolation"]["image"]),
            logits=Interpolation(**properties["interpolation"]["logits"]),
            orientation=properties.get("orientation", STORED),
        )
    except (KeyError, TypeError, ValueError) as error:
        problem = f"describes no space ({type(error).__name__}: {error})"
        raise InputError("model", problem, "export it again") from error


class SlidingWindow:
    """Gaussian-weighted mean of the logits of overlapping windows, each as it is and mirrored.

    Args:
        engine: of the network.
        window: its size in voxels, (z, y, x); or (y, x) for slices.
        classes: K.
        mirror_axes: of the window, along which it is mirrored; none: as it is alone.
    """

    def __init__(self, engine: Engine, window: Sequence[int], classes: int, mirror_axes: Sequence[int] = ()) -> None:
        self.engine, self.window, self.classes = engine, tuple(window), classes
        self.mirror_axes = tuple(axis - len(self.window) for axis in mirror_axes)
        self.weight = gaussian_weight(window)

    def __call__(self, image: Volume) -> Volume:
        """Logits (K, z, y, x) of (z, y, x)."""
        widths = padding_to(image.shape, self.window)
        padded = np.pad(image, widths) if np.any(widths) else image
        total: Volume = np.zeros((self.classes, *padded.shape), dtype=np.float32)
        for place in window_places(padded.shape, self.window, OVERLAP):
            logits = self._logits(padded[place])
            if self.mirror_axes:
                logits += np.flip(self._logits(np.flip(padded[place], self.mirror_axes)), self.mirror_axes)
                logits /= 2
            logits *= self.weight
            total[(slice(None), *place)] += logits
        for z, weights in enumerate(summed_weights(padded.shape, self.weight, OVERLAP)):
            total[:, z] /= weights
        inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, image.shape, strict=True))
        return total[(slice(None), *inner)]

    def _logits(self, window: Volume) -> Volume:
        logits: Volume = self.engine({"image": np.ascontiguousarray(window)[None, None]})[0]
        if logits.shape != (self.classes, *self.window):
            problem = f"computes {logits.shape} where it says {self.classes} classes and windows of {self.window}"
            raise InputError("model", problem, "export it again")
        return logits


def label_map(logits: Volume, shape: Sequence[int], spacing: Sequence[float], space: PlanSpace) -> NDArray[np.uint8]:
    """The class with the highest logit on a grid of ``shape`` and ``spacing`` (z, y, x); one at a time is held."""
    best: Volume = np.full(shape, -np.inf, dtype=np.float32)
    label = np.zeros(shape, dtype=np.uint8)
    for number, channel in enumerate(logits):
        values = resample(channel, shape, space.target_spacing(tuple(spacing)), spacing, space.logits)
        label[values > best] = number
        np.maximum(best, values, out=best)
    return label


def _slabs(image: Volume, window: Sequence[int], space: PlanSpace) -> list[slice]:
    """What can be finished by itself: every slice where the network sees slices, which lie as those of the scan do."""
    if len(window) == 2 and space.logits.order <= 1:  # overshoot of higher splines is clipped by volume
        return [slice(z, z + 1) for z in range(len(image))]
    return [slice(None)]


def _to_plan_space(
    scan: NDArray[Any], affine: NDArray[np.float64], space: PlanSpace
) -> tuple[Volume, Placement]:  # a function of its own, so that the crop is let go of before the logits come
    crop, placement = crop_and_normalize(scan, affine, space)
    target = space.target_spacing(placement.spacing)
    return resample(crop, placement.new_shape(space), placement.spacing, target, space.image), placement
