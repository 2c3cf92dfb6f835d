"""What an ensemble agrees on, on the grid of the scan.

K classes; scans are (x, y, z), logits (K, z, y, x) in the space of their plan.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.inferers import Inferer
from monai.transforms import MapTransform
from monai.utils import convert_to_dst_type
from torch import Tensor, nn

from tanq_monai.segmentation.inference.ensemble import Ensemble
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.inference.test_time.choice import inferer_for
from tanq_monai.segmentation.plan.plans import (
    Mirror,
    mirror_axes_from_plans,
    patch_size_from_plans,
    space_from_plans,
)
from tanq_monai.segmentation.plan.space import PlanSpace
from tanq_monai.segmentation.plan.transforms import ToPlanSpaced, class_maps, label_map, onto_scan, winner

CONFIDENCE, AGREEMENT = "confidence", "agreement"


class EnsembleInferer(Inferer):  # type: ignore[misc]
    """nnU-Net's ensemble: the label with the highest mean probability.

    Inside a group, logits are averaged in the space of their plan; over groups, the softmax of those means on the grid
    of the scan. One model's logits are held at a time, besides two sums of K maps.

    Args:
        ensemble: its models.
        sw_batch_size: windows per forward pass.
        overlap: of neighbouring windows.
        mirror: at test time, see :func:`tanq_monai.segmentation.plan.plans.mirror_axes_from_plans`.
        uncertainty: give confidence and agreement, too.
        test_time: how a scan adapts, for every model by itself, see :mod:`tanq_monai.segmentation.inference.test_time`.

    Raises:
        InputError: when a model lacks what ``test_time`` needs.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        sw_batch_size: int = 1,
        overlap: float = 0.5,
        mirror: Mirror = "left_right",
        uncertainty: bool = False,
        test_time: str | None = None,
    ) -> None:
        super().__init__()
        self.classes, self.num_members, self.uncertainty = ensemble.classes, len(ensemble.members), uncertainty
        self.plans: list[tuple[PlanSpace, list[PlanInferer]]] = []
        for group in ensemble.groups:
            plans = group[0] / "plans.json"
            window, axes = patch_size_from_plans(plans), mirror_axes_from_plans(plans, mirror)
            inferers = [inferer_for(test_time, member, window, sw_batch_size, overlap, axes) for member in group]
            self.plans.append((space_from_plans(plans), inferers))

    def __call__(self, inputs: Tensor, network: Iterable[Sequence[nn.Module]], *args: Any, **kwargs: Any) -> Tensor:
        """(1, 1, x, y, z) scan -> (1, 1, x, y, z) label; with ``uncertainty`` (1, 3, x, y, z).

        The two besides the label, in [0, 1]: its mean probability, and the share of the models that voted for it.
        """
        total = torch.zeros((self.classes, *inputs.shape[2:]), device=inputs.device)
        votes = torch.zeros_like(total, dtype=torch.uint8)
        for (space, inferers), members in zip(self.plans, network, strict=True):
            image = ToPlanSpaced("image", space)({"image": inputs[0]})["image"]
            windows = image.to(inputs.device)[None]
            mean = torch.zeros(0)
            for number, (inferer, member) in enumerate(zip(inferers, members, strict=True)):
                logits = inferer(windows, member, *args, **kwargs)[0]
                if self.uncertainty and len(members) > 1:
                    _vote(votes, onto_scan(label_map(logits, image.meta, space), image.meta))
                mean = mean.add_(logits) if number else logits
            probabilities = _softmax_on_scan(mean.div_(len(members)), image.meta, space, torch.empty_like(total))
            if self.uncertainty and len(members) == 1:
                _vote(votes, winner(iter(probabilities))[0])
            total += probabilities
        return convert_to_dst_type(self._result(total, votes)[None], inputs)[0]  # type: ignore[no-any-return]

    def _result(self, total: Tensor, votes: Tensor) -> Tensor:
        label, best = winner(iter(total))
        if not self.uncertainty:
            return label[None]
        agreement = votes.gather(0, label[None].long())[0] / self.num_members
        return torch.stack([label, best / len(self.plans), agreement])


class SplitUncertaintyd(MapTransform):  # type: ignore[misc]
    """The parts of what :class:`EnsembleInferer` gave: label (under the key), ``confidence``, ``agreement``.

    Args:
        keys: the one key.
    """

    def __init__(self, keys: KeysCollection = "pred") -> None:
        super().__init__(keys)

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Tensor]:
        """The item with one more key for every part there is."""
        item = dict(data)
        parts = item[self.keys[0]]
        return item | dict(zip((self.keys[0], CONFIDENCE, AGREEMENT), parts.chunk(len(parts)), strict=False))


def _softmax_on_scan(logits: Tensor, meta: Mapping[str, Any], space: PlanSpace, out: Tensor) -> Tensor:
    """Probabilities (K, x, y, z), written to ``out``; outside the non-zero box of the scan all is background."""
    for number, values in enumerate(class_maps(logits, meta, space)):
        out[number] = onto_scan(values, meta, outside=-torch.inf if number else 0)
    out -= out.amax(dim=0)
    out.exp_()
    return out.div_(out.sum(dim=0))


def _vote(votes: Tensor, label: Tensor) -> None:
    for number in range(len(votes)):
        votes[number] += label == number
