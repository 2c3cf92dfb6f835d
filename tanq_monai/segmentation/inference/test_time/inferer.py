"""A scan labelled without and with adaptation, of which the more plausible label is kept.

Volumes are (1, 1, z, y, x), logits (1, K, z, y, x), in the network's space.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import ImageMetaKey
from numpy.typing import NDArray
from torch import Tensor

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.anatomy.plausibility import judge_labels
from tanq_monai.segmentation.inference.inferer import Network, PlanInferer
from tanq_monai.structures import Structures

_LOGGER = logging.getLogger(__name__)
_NOTHING = "nothing is labelled"


class Adapted(NamedTuple):
    """What a method makes of a scan and a network.

    Attributes:
        volume: (1, 1, z, y, x), to label in place of the scan.
        network: to label it with.
        doubt: in words, why neither should be used; empty where they may be.
    """

    volume: Tensor
    network: Network
    doubt: str = ""


class Method(Protocol):
    """A way to adapt. It changes none of its arguments, so that no scan depends on others."""

    def __call__(self, volume: Tensor, network: Network, window: Sequence[int]) -> Adapted:
        """Volume and network as the inferer has them, and the size of its windows."""


class AdaptingInferer(PlanInferer):
    """Labels every scan twice, without adaptation and with, and keeps the first where the second is no better founded.

    That is where nothing is labelled without adaptation, where the method itself doubts, and where more organs with it
    than without are of a size that is unusual for patients, or missing, which counts twice. One line says so.

    Args:
        method: that adapts.
        structures: what the labels mean; without VS and cochlea among them, plausibility is not judged.
        *args: of :class:`PlanInferer`.
        **kwargs: of :class:`PlanInferer`.
    """

    def __init__(self, method: Method, structures: Structures, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method, self.structures = method, structures
        self.ears_first = EarsFirst(structures)

    def __call__(self, inputs: Tensor, network: Network, *args: Any, **kwargs: Any) -> Tensor:
        """Logits (B, K, z, y, x) of (B, 1, z, y, x), every scan by itself."""
        return torch.cat([self._of_scan(inputs[number], network, *args, **kwargs) for number in range(len(inputs))])

    def objection(self, without: Tensor, adapted: Tensor, affine: NDArray[np.float64]) -> str:
        """What speaks against logits of an adapted scan beside those without; nothing where they may be taken.

        Args:
            without: (1, K, z, y, x).
            adapted: likewise.
            affine: (4, 4), voxel (z, y, x) to RAS, mm.
        """
        before = self._doubts(without, affine)
        if before == math.inf:
            return _NOTHING
        after = self._doubts(adapted, affine)
        if after == math.inf:
            return f"{_NOTHING} with it"
        return "" if after <= before else "organs that are missing or unusual are more with it"

    def _of_scan(self, scan: Tensor, network: Network, *args: Any, **kwargs: Any) -> Tensor:
        volume, affine = _plain(scan)
        logits = super().__call__(volume, network, *args, **kwargs)
        against = _NOTHING
        if self._doubts(logits, affine) < math.inf:
            found = self.method(volume, network, self.window)
            against = found.doubt
            if not against:
                adapted = super().__call__(found.volume, found.network, *args, **kwargs)
                against = self.objection(logits, adapted, affine)
                logits = logits if against else adapted
        if against:
            _LOGGER.warning("%s: labelled without adaptation: %s", _name(scan), against)
        return logits

    def _doubts(self, logits: Tensor, affine: NDArray[np.float64]) -> float:
        """How many organs are unusual, those missing twice; inf where nothing is labelled."""
        labels = logits[0].argmax(dim=0).to(torch.uint8).cpu().numpy()
        kept, _ = self.ears_first(labels, affine)
        if not kept.any():
            return math.inf
        return sum(bool(one.doubt) + (not one.mm3) for one in judge_labels(kept, affine, self.structures))


def _plain(scan: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
    """The volume (1, 1, z, y, x) of a scan (1, z, y, x), and its affine."""
    if isinstance(scan, MetaTensor):
        return scan.as_tensor()[None], np.asarray(scan.affine.cpu(), dtype=float)
    return scan[None], np.eye(4)


def _name(scan: Tensor) -> str:
    meta = scan.meta if isinstance(scan, MetaTensor) else {}
    return Path(str(meta.get(ImageMetaKey.FILENAME_OR_OBJ, "scan"))).name
