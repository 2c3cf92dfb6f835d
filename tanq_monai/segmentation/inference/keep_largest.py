"""Only the largest component of a structure is kept, as nnU-Net's postprocessing does it."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type
from numpy.typing import NDArray
from scipy import ndimage

EVERY_NEIGHBOR = np.ones((3, 3, 3), dtype=bool)


class KeepLargestd(MapTransform):  # type: ignore[misc]
    """Of label maps (1, x, y, z), step by step: only the largest component of the union of the step's labels is kept.

    Args:
        keys: label maps.
        steps: label values of every step, e.g. ``[[1, 2], [1]]``; done in this order.
        allow_missing_keys: as everywhere in MONAI.
    """

    def __init__(self, keys: KeysCollection, steps: Sequence[Sequence[int]], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.steps = steps

    def __call__(self, data: Mapping[Hashable, torch.Tensor]) -> dict[Hashable, torch.Tensor]:
        """Transform every key."""
        item = dict(data)
        for key in self.key_iterator(item):
            label = np.asarray(item[key][0].cpu())
            for values in self.steps:
                label = keep_largest(label, values)
            item[key] = convert_to_dst_type(label[None], item[key])[0]
        return item


def keep_largest(label: NDArray[Any], values: Sequence[int]) -> NDArray[Any]:
    """``label`` (x, y, z) with 0 where ``values`` lie outside their largest component; equally large ones stay.

    Corners connect. As nnU-Net's ``remove_all_but_largest_component_from_segmentation``.
    """
    kept = label.copy()
    found = ndimage.find_objects(np.isin(label, values).view(np.uint8))
    if found:  # cut to what is labelled, a small part of a scan
        part = kept[found[0]]
        inside = np.isin(part, values)
        components, _ = ndimage.label(inside, EVERY_NEIGHBOR)
        sizes = np.bincount(components[inside])
        part[inside & (sizes[components] < sizes.max())] = 0
    return kept
