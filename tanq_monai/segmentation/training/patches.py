"""Where in a scan nnU-Net's patches lie."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as nnunet_module

Corner = list[int]


class PatchLoader(nnUNetDataLoader):  # type: ignore[misc]
    """nnU-Net's loader whose patches hold a structure anywhere, not in their middle.

    nnU-Net puts a voxel of the structure into the middle of every patch that must hold one. A network that sees whole
    patches learns the place: in the windows of an unknown hospital it paints a VS in every middle, and misses those
    away from it. Here the voxel lies anywhere in the patch with the same probability, and patches stay within the scan
    as the windows of inference do. Augmentation turns patches, so that some lose a structure at their corner.

    Attributes:
        case: name of the case whose patch was taken last, and is augmented.
    """

    case = ""
    _drawn: Iterator[str] = iter(())

    def get_indices(self) -> list[str]:
        """Names of the cases of the next batch; nnU-Net takes and augments a patch of each, one after the other."""
        names: list[str] = list(super().get_indices())
        self._drawn = iter(names)
        return names

    def get_bbox(
        self, data_shape: np.ndarray, force_fg: bool, class_locations: dict[Any, Any] | None, *args: Any, **kwargs: Any
    ) -> tuple[Corner, Corner]:
        """Lower and upper corner of a patch, voxels of the preprocessed scan; the upper one is not part of it."""
        self.case = next(self._drawn, "")
        is_labelled = any(len(voxels) for voxels in (class_locations or {}).values())
        # nnU-Net warns of a patch without any label, but for one that is to hold a structure; the places are the same.
        searched = force_fg or (class_locations is not None and not is_labelled)
        lower, _ = super().get_bbox(data_shape, searched, class_locations, *args, **kwargs)
        sizes = list(zip(data_shape, self.patch_size, self.final_patch_size, lower, strict=True))
        if force_fg and is_labelled:
            lower = [self._moved(*size) for size in sizes]
        return lower, [start + patch for start, patch in zip(lower, self.patch_size, strict=True)]

    @staticmethod
    def _moved(scan: int, patch: int, seen: int, start: int) -> int:
        """Along one axis: sizes of scan, patch and the part of it that the network sees; a new start."""
        reach = (seen - 1) // 2
        margin = max(patch - seen, patch - scan)  # of zeros around the scan, for both sides together
        moved = start + int(np.random.randint(-reach, reach + 1))  # noqa: NPY002 - seeded by EpochLoader
        return min(max(moved, -margin // 2), scan + margin // 2 + margin % 2 - patch)


@contextlib.contextmanager
def our_patches() -> Iterator[None]:
    """nnU-Net's trainers take patches by :class:`PatchLoader`."""
    with mock.patch.object(nnunet_module, "nnUNetDataLoader", PatchLoader):
        yield
