"""nnU-Net's way into the network's space and back, as MONAI dictionary transforms.

A MONAI volume is (C, i, j, k); nnU-Net works on (C, z, y, x), here called *plan space*: axes turned as those of its
training and permuted by the plan, cropped to the non-zero box, z-scored and resampled to the plan's spacing (mm).
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from tanq_monai.segmentation.plan.resampling import resample, resample_channel
from tanq_monai.segmentation.plan.space import Placement, PlanSpace, crop_and_normalize

Item = dict[Hashable, Any]
Meta = Mapping[str, Any]
_TURN, _BOX, _SHAPE, _SPACING = "plan_turn", "plan_box", "plan_full_shape", "plan_input_spacing"


class ToPlanSpaced(MapTransform):  # type: ignore[misc]
    """(1, i, j, k) scan -> (1, z, y, x) network input; where it came from is kept in the image's metadata.

    Args:
        keys: images with ``affine`` in their metadata.
        space: the plan's space.
        allow_missing_keys: as everywhere in MONAI.
    """

    def __init__(self, keys: KeysCollection, space: PlanSpace, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.space = space

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        """Transform every key."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self._transform(item[key])
        return item

    def _transform(self, image: MetaTensor) -> MetaTensor:
        affine = np.asarray(image.affine, dtype=float)
        crop, placement = crop_and_normalize(np.asarray(image[0].cpu()), affine, self.space)
        shape, target = placement.new_shape(self.space), self.space.target_spacing(placement.spacing)
        array = resample(torch.from_numpy(crop)[None], shape, placement.spacing, target, self.space.image)
        meta = {k: v for k, v in image.meta.items() if k != "affine"}
        meta |= {
            _TURN: torch.from_numpy(placement.turn),
            _BOX: torch.tensor(placement.box),
            _SHAPE: torch.tensor(placement.full_shape),
            _SPACING: torch.tensor(placement.spacing),
        }
        new_affine = _affine(affine, placement, shape)
        return MetaTensor(array, affine=torch.from_numpy(new_affine), meta=meta)


class FromPlanSpaced(MapTransform):  # type: ignore[misc]
    """Network logits (K, z, y, x) -> label map (1, i, j, k), uint8, on the grid of the scan.

    Outside the non-zero box the label is 0.

    Args:
        keys: logits.
        space: the plan's space.
        image_key: the image that :class:`ToPlanSpaced` made.
        allow_missing_keys: as everywhere in MONAI.
    """

    def __init__(
        self,
        keys: KeysCollection,
        space: PlanSpace,
        image_key: str = "image",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.space = space
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        """Transform every key."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self._transform(item[key], item[self.image_key].meta)
        return item

    def _transform(self, logits: torch.Tensor, meta: Meta) -> MetaTensor:
        label = onto_scan(label_map(logits, meta, self.space), meta)
        kept = {k: v for k, v in meta.items() if k not in (_TURN, _BOX, _SHAPE, _SPACING, "affine")}
        return MetaTensor(label[None].cpu(), affine=torch.as_tensor(meta["original_affine"]), meta=kept)


def label_map(logits: torch.Tensor, meta: Meta, space: PlanSpace) -> torch.Tensor:
    """The class with the highest logit, (z, y, x), uint8, in the box of the scan; arguments as :func:`class_maps`.

    Slice by slice where the slices of the plan are those of the scan, so that next to nothing is held besides.
    """
    shape = _box_shape(meta)
    if shape[0] != logits.shape[1] or space.logits.order > 1:  # higher splines are clipped by volume
        return winner(class_maps(logits, meta, space))[0]
    planes = logits.chunk(len(logits[0]), dim=1)
    return torch.cat([winner(_resampled(plane, [1, *shape[1:]], meta, space))[0] for plane in planes])


def class_maps(logits: torch.Tensor, meta: Meta, space: PlanSpace) -> Iterator[torch.Tensor]:
    """One class after the other, so that only one is held: its logits (z, y, x), float32, in the box of the scan.

    Args:
        logits: (K, z, y, x) in plan space.
        meta: of the image that :class:`ToPlanSpaced` made.
        space: the plan's space.
    """
    return _resampled(logits, _box_shape(meta), meta, space)


def winner(maps: Iterator[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Number of the highest of ``maps`` at every voxel (uint8), the first of equal ones, and its value."""
    best = next(maps).clone()  # which may be the logits themselves
    label = torch.zeros_like(best, dtype=torch.uint8)
    for number, values in enumerate(maps, start=1):
        label.masked_fill_(values > best, number)
        torch.maximum(best, values, out=best)
    return label, best


def onto_scan(values: torch.Tensor, meta: Meta, outside: float = 0) -> torch.Tensor:
    """(z, y, x) in the box of the scan -> (i, j, k) of the whole scan, ``outside`` the box as given."""
    whole = torch.full([int(n) for n in meta[_SHAPE]], outside, dtype=values.dtype, device=values.device)
    whole[tuple(slice(int(low), int(high)) for low, high in meta[_BOX])] = values
    turn = np.asarray(torch.as_tensor(meta[_TURN]).cpu()).reshape(3, 2)
    flipped = [int(axis) for axis, sign in turn if sign < 0]
    return whole.flip(flipped).permute(*turn[:, 0].astype(int).tolist()).contiguous()


def _box_shape(meta: Meta) -> list[int]:
    return [int(high - low) for low, high in meta[_BOX]]


def _resampled(logits: torch.Tensor, shape: list[int], meta: Meta, space: PlanSpace) -> Iterator[torch.Tensor]:
    spacing = tuple(float(s) for s in meta[_SPACING])
    for channel in torch.as_tensor(logits.detach()):
        yield resample_channel(channel.float(), shape, space.target_spacing(spacing), spacing, space.logits)


def _affine(affine: NDArray[np.floating], placement: Placement, new: Sequence[int]) -> NDArray[np.floating]:
    """Voxel of plan space -> mm: ``old`` voxel = box start + (voxel + 1/2) old / new - 1/2, then turned back."""
    step = np.eye(4)
    for axis, (low, old, size) in enumerate(zip((b[0] for b in placement.box), placement.shape, new, strict=True)):
        scale = old / size
        step[axis, axis], step[axis, 3] = scale, low + scale / 2 - 0.5
    stored = nib.orientations.inv_ornt_aff(placement.turn, _stored_shape(placement))
    plan: NDArray[np.floating] = affine @ stored @ step
    return plan


def _stored_shape(placement: Placement) -> list[int]:
    return [placement.full_shape[int(axis)] for axis, _ in placement.turn]
