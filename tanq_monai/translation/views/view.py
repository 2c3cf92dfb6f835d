"""A view, that is a translator and what it translates to, and how a scan goes through it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from numpy.typing import NDArray
from torch import Tensor, nn

from tanq_monai.scans.folder import Case
from tanq_monai.translation.exemplars import Exemplars

Item = Mapping[Any, Any]
Transform = Callable[[Item], Item]


@dataclass(frozen=True)
class View:
    """One way of translating scans.

    Attributes:
        network_def: called as ``network(slices (B, 2, H, W), style)``.
        model_file: its weights, a plain state dict; None for a network without any, whose ``facts`` then say what its
            translations follow from.
        styles: looks of hrT2 that the network knows, as in its training.
        style: the one to translate to; None for each of them, which makes as many views.
        label_free: the structures that the network itself sees take the label's place.
        exemplars: scans whose looks, by the names of their cases, are the styles; for an
            :class:`~tanq_monai.networks.ExemplarGenerator`, and no other network. None: the mean look of its training.
    """

    network_def: nn.Module
    model_file: str | None = None
    styles: tuple[str, ...] | list[str] = ("",)
    style: str | None = None
    label_free: bool = False
    exemplars: Exemplars | None = None


@dataclass(frozen=True)
class VolumeTranslator:
    """A scan's way through a network and back onto its own grid.

    Attributes:
        preprocessing: of a case, to ``image``, a stack (2, Y, X, Z).
        inferer: runs a network over a stack (1, 2, Y, X, Z).
        postprocessing: of ``image`` and ``pred`` (1, Y, X, Z), to ``pred`` (1, i, j, k) on the scan's grid.
        device: of the networks.
        amp: autocast to bfloat16.
    """

    preprocessing: Transform
    inferer: Inferer
    postprocessing: Transform
    device: torch.device
    amp: bool = False

    def load(self, case: Case) -> tuple[Item, Tensor]:
        """The preprocessed scan, and its stack (1, 2, Y, X, Z) on the device."""
        item = self.preprocessing(case)
        return item, item["image"].as_tensor().to(self.device)[None]

    def run(self, function: Callable[..., Tensor], stack: Tensor, **kwargs: Any) -> Tensor:
        """``function``, a network or a method of one, over the slices of a stack: (1, 1, Y, X, Z), float32."""
        with torch.no_grad(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            output: Tensor = self.inferer(stack, function, **kwargs)
        return output

    def to_volume(self, item: Item, translated: Tensor) -> NDArray[np.float32]:
        """A translated stack as voxels (i, j, k) in [0, 1] on the scan's grid."""
        pred = MetaTensor(translated[0].cpu(), meta=item["image"].meta, applied_operations=[])
        return np.asarray(self.postprocessing({**item, "pred": pred})["pred"][0], dtype=np.float32)


@dataclass(frozen=True)
class Pass:
    """A view with its weights, to one style.

    Attributes:
        name: of the view in names of files.
        network: in eval mode, on its device.
        style: the number of the style.
        label_free: as in :class:`View`.
        facts: what its translations follow from, besides the scan.
    """

    name: str
    network: nn.Module
    style: int
    label_free: bool
    facts: Mapping[str, Any]
