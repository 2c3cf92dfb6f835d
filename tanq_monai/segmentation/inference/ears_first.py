"""Ears first, see :class:`tanq_monai.anatomy.ears_first.EarsFirst`, as a MONAI dictionary transform."""

import logging
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ImageMetaKey, convert_to_dst_type

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.structures import Structures

_LOGGER = logging.getLogger(__name__)


class EarsFirstd(MapTransform):  # type: ignore[misc]
    """Label maps (1, i, j, k) of which only plausible cochleae and VS stay; a line says where an ear was not found.

    Args:
        keys: label maps with ``affine`` in their metadata.
        structures: what their values mean.
        enabled: false: they stay as they are.
        allow_missing_keys: as everywhere in MONAI.
    """

    def __init__(
        self, keys: KeysCollection, structures: Structures, enabled: bool = True, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.ears_first, self.enabled = EarsFirst(structures), enabled

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, MetaTensor]:
        """Transform every key."""
        item = dict(data)
        for key in self.key_iterator(item) if self.enabled else ():
            label = item[key]
            kept, doubt = self.ears_first(np.asarray(label[0].cpu()), np.asarray(label.affine, dtype=float))
            if doubt:
                _LOGGER.warning("%s: %s", Path(str(label.meta.get(ImageMetaKey.FILENAME_OR_OBJ, "scan"))).name, doubt)
            item[key] = convert_to_dst_type(kept[None], label)[0]
        return item
