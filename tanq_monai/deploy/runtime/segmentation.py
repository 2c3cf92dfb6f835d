"""A segmenter's ONNX file on a scan, as ``vs_cochlea_seg/configs/inference.yaml`` does it. Plan space is z, y, x."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.runtime.resampling import Volume, resample
from tanq_monai.segmentation.windows import gaussian_weight, padding_to, window_places
from tanq_monai.transforms.plan_space import Placement, PlanSpace, crop_and_normalize
from tanq_monai.transforms.splines import Interpolation

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OVERLAP = 0.5  # of neighbouring windows, nnU-Net's


def segment(
    session: "InferenceSession",
    properties: Mapping[str, Any],
    scan: NDArray[Any],
    affine: NDArray[np.float64],
) -> NDArray[np.uint8]:
    """Labels (x, y, z) of a scan (x, y, z).

    Args:
        session: of the file.
        properties: of the file.
        scan: any unit and number type.
        affine: voxel to mm, (4, 4).
    """
    space = plan_space(properties)
    image, placement = _to_plan_space(scan, affine, space)
    logits = sliding_window(session, image, properties["patch_size"], len(properties["classes"]))
    label = np.zeros(placement.full_shape, dtype=np.uint8)
    label[placement.slices] = label_map(logits, placement, space)
    return np.ascontiguousarray(np.transpose(label, np.argsort([axis - 1 for axis in space.array_axes[1:]])))


def plan_space(properties: Mapping[str, Any]) -> PlanSpace:
    """The plan's space as the file describes it."""
    return PlanSpace(
        spacing=tuple(properties["spacing"]),
        transpose=tuple(properties["transpose"]),
        nonzero_only=properties["normalization"]["nonzero_only"],
        image=Interpolation(**properties["interpolation"]["image"]),
        logits=Interpolation(**properties["interpolation"]["logits"]),
    )


def sliding_window(session: "InferenceSession", image: Volume, window: Sequence[int], classes: int) -> Volume:
    """Gaussian-weighted mean of the logits (K, z, y, x) of overlapping windows; two numbers are windows of slices."""
    widths = padding_to(image.shape, window)
    padded = np.pad(image, widths)
    weight = gaussian_weight(window)
    total: Volume = np.zeros((classes, *padded.shape), dtype=np.float32)
    for place in window_places(padded.shape, window, OVERLAP):
        logits = session.run(None, {"image": padded[place][None, None]})[0][0]
        total[(slice(None), *place)] += logits * weight
    total /= _weights(padded.shape, weight)
    inner = tuple(slice(low, low + n) for (low, _), n in zip(widths, image.shape, strict=True))
    return total[(slice(None), *inner)]


def label_map(logits: Volume, placement: Placement, space: PlanSpace) -> NDArray[np.uint8]:
    """The class with the highest logit in the box of the scan (z, y, x), of which one at a time is held."""
    best: Volume = np.full(placement.shape, -np.inf, dtype=np.float32)
    label = np.zeros(placement.shape, dtype=np.uint8)
    target = space.target_spacing(placement.spacing)
    for number, channel in enumerate(logits):
        _keep_better(best, label, number, resample(channel, placement.shape, target, placement.spacing, space.logits))
    return label


def _keep_better(best: Volume, label: NDArray[np.uint8], number: int, values: Volume) -> None:
    label[values > best] = number
    np.maximum(best, values, out=best)


def _to_plan_space(
    scan: NDArray[Any], affine: NDArray[np.float64], space: PlanSpace
) -> tuple[Volume, Placement]:  # a function of its own, so that the crop is let go of before the logits come
    crop, placement = crop_and_normalize(scan, affine, space)
    target = space.target_spacing(placement.spacing)
    return resample(crop, placement.new_shape(space), placement.spacing, target, space.image), placement


def _weights(shape: Sequence[int], weight: Volume) -> Volume:
    """The sum of the weights of all windows, of slices those of one plane."""
    plane = shape[len(shape) - weight.ndim :]
    weights = np.zeros(tuple(plane), dtype=np.float32)
    for place in window_places(plane, weight.shape, OVERLAP):
        weights[place] += weight
    return weights
