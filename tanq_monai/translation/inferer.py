"""Translation of whole volumes, slice by slice."""

from typing import Any

import torch
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from tanq_monai.errors import InputError

BLANK = -1.0  # of an image in [-1, 1]: what lies outside the scan


class SliceTranslator(Inferer):  # type: ignore[misc]
    """Runs a 2D translator over the last axis of a volume, several slices at once.

    Slices without any signal are not translated; they stay blank. Sizes that are no multiple of 4 are padded with blank
    pixels and cut back.

    Args:
        batch_size: slices at once.
        label_free: do not look at the label map: the network's own ``predict_structures`` takes its place.
    """

    def __init__(self, batch_size: int = 8, label_free: bool = False) -> None:
        super().__init__()
        self.batch_size, self.label_free = batch_size, label_free

    def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        """(1, C, H, W, Z), the image in [-1, 1] being channel 0, -> (1, 1, H, W, Z); the rest is passed on.

        Raises:
            InputError: when ``label_free`` is asked of a network that predicts no structures.
        """
        slices = inputs[0].as_subclass(Tensor).movedim(-1, 0)
        height, width = slices.shape[2:]
        translated = torch.full((len(slices), 1, height, width), BLANK, device=slices.device)
        used = (slices[:, 0] > BLANK).flatten(1).any(dim=1).nonzero()[:, 0]
        starts = range(0, len(used), self.batch_size)
        for start in tqdm(starts, desc="slices", unit="batch", leave=False):
            numbers = used[start : start + self.batch_size]
            batch = _pad(slices[numbers].float()).contiguous(memory_format=torch.channels_last)
            if self.label_free:
                batch = with_own_structures(batch, network)
            translated[numbers] = network(batch, *args, **kwargs)[:, :1, :height, :width].float()
        volume: Tensor = convert_to_dst_type(translated.movedim(0, -1)[None], inputs)[0]  # with its affine and history
        return volume


def with_own_structures(slices: Tensor, network: nn.Module) -> Tensor:
    """Slices (B, 2, H, W) whose label map is what ``network`` predicts from the image alone.

    Raises:
        InputError: when it predicts no structures.
    """
    predict = getattr(network, "predict_structures", None)
    if predict is None:
        raise InputError("label_free", f"{type(network).__name__} predicts no structures", "choose a TANQ translator")
    return torch.cat([slices[:, :1], predict(slices)], dim=1)


def _pad(slices: Tensor) -> Tensor:
    """To multiples of 4, below and to the right: blank image, empty label map."""
    missing = (0, -slices.shape[3] % 4, 0, -slices.shape[2] % 4)
    image, labels = F.pad(slices[:, :1], missing, value=BLANK), F.pad(slices[:, 1:], missing)
    return torch.cat([image, labels], dim=1)
