"""Scans as stacks of network-ready slices, as an invertible MONAI transform."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform

from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.intensity import from_unit_range, scale_to_unit_range
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_grid import plan_slices


class ToSlicesd(MapTransform, InvertibleTransform):  # type: ignore[misc]
    """An image and its label become one stack (2, Y, X, Z): image in [-1, 1], map of the translator's regions.

    The inverse takes a stack (1, Y, X, Z) in [-1, 1] back to the image's own grid as magnitude in [0, 1], 0 outside the
    stack.

    Args:
        image_key: (1, i, j, k) with an affine; replaced by the stack.
        label_key: (1, i, j, k) on the same grid; may be missing, the label map is then empty.
        pixels: of a slice, both ways; a multiple of 4.
        pixel_mm: mm per pixel.
        slab_mm: height of the stack round the structures; without a label, and where None, the whole scan.
        structures: names and values of the label, see :meth:`tanq_monai.structures.Structures.regions`.

    Raises:
        InputError: when a structure has no norm.
    """

    def __init__(
        self,
        image_key: str = "image",
        label_key: str = "label",
        pixels: int = 256,
        pixel_mm: float = 0.41,
        slab_mm: float | None = None,
        structures: Structures = STRUCTURES,
    ) -> None:
        super().__init__([image_key], allow_missing_keys=False)
        self.image_key, self.label_key = image_key, label_key
        self.pixels, self.pixel_mm, self.slab_mm = pixels, pixel_mm, slab_mm
        self.region_of = structures.regions().of_values

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the image by its stack."""
        data = dict(data)
        image: MetaTensor = data[self.image_key]
        array, affine = np.asarray(image[0].array), np.asarray(image.affine, dtype=np.float64)
        label = np.asarray(data[self.label_key][0].array) if self.label_key in data else None
        slab_mm = None if label is None else self.slab_mm
        grid = plan_slices(array, affine, self.pixels, self.pixel_mm, label, slab_mm)
        slices = scale_to_unit_range(grid.to_slices(array))
        labels = np.zeros_like(slices) if label is None else grid.to_slices(label, mode="nearest")
        pair = np.stack([slices, to_regions(labels, self.region_of)])
        stack = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pair, 1, -1)))
        data[self.image_key] = MetaTensor(stack, meta=image.meta, applied_operations=image.applied_operations)
        self.push_transform(data, self.image_key, extra_info={"grid": grid})
        return data

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Put a stack that the image's stack led to back onto the image's grid."""
        data = dict(data)
        transform = self.pop_transform(data, self.image_key)
        stack: MetaTensor = data[self.image_key]
        slices = np.moveaxis(from_unit_range(stack[0].as_tensor().float().cpu().numpy()), -1, 0)
        volume = torch.from_numpy(transform["extra_info"]["grid"].to_volume(slices))[None]
        data[self.image_key] = MetaTensor(volume, meta=stack.meta, applied_operations=stack.applied_operations)
        return data
