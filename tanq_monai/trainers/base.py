"""What the trainers of all translators share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from tanq_monai.choices.kinds import Entries, Number
from tanq_monai.divergence import finite_losses
from tanq_monai.ranks import mean_over_ranks
from tanq_monai.structures import OTHERS, OWN, SURROUNDINGS
from tanq_monai.trainers.updates import update

WEIGHT = Number(least=0)
"""Of a term of the loss."""
CLASS_WEIGHTS = Entries(WEIGHT, least=1)
"""Of the rest and of structures in a cross-entropy, by norm or by name."""
DEFAULT_CLASS_WEIGHTS = {OTHERS: 0.01, SURROUNDINGS: 0.6, OWN: 1.2}
"""Structures are 0.03 % of the pixels."""


@dataclass(frozen=True)
class AdversarialOptimizers:
    """One optimizer for all that translates both ways, one for both discriminators."""

    generators: Optimizer
    discriminators: Optimizer


class TranslatorTrainer(SupervisedTrainer):  # type: ignore[misc]
    """A MONAI trainer whose subclasses say what one step is (``_iteration``).

    Args:
        device: of networks and batches.
        max_epochs: an epoch is one pass over ``train_data_loader``.
        train_data_loader: of the batches.
        network: the translator that is wanted.
        optimizer: of it.
        train_handlers: MONAI's or Ignite's.
        amp: autocast to bfloat16.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Tensor]],
        network: nn.Module,
        optimizer: Optimizer,
        train_handlers: Sequence[Any] | None = None,
        amp: bool = False,
    ) -> None:
        device = torch.device(device)
        self.autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=amp)
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            train_data_loader=train_data_loader,
            network=network,
            optimizer=optimizer,
            loss_function=F.l1_loss,  # MONAI wants one; the steps have their own
            train_handlers=train_handlers,
            decollate=False,
        )

    def minimize(self, terms: Mapping[str, Tensor], *optimizers: Optimizer) -> dict[str, Any]:
        """One step on the sum of ``terms``, with MONAI's events; their values by ``loss_{name}``, and ``loss``.

        Raises:
            InputError: as :func:`~tanq_monai.divergence.finite_losses`.
        """
        values = self.finite(terms)
        total = torch.stack(list(terms.values())).sum()
        self.fire_event(IterationEvents.LOSS_COMPLETED)
        update(total, *optimizers)
        self.fire_event(IterationEvents.BACKWARD_COMPLETED)
        return values | {Keys.LOSS: total.detach()}

    def finite(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """The values of some losses by ``loss_{name}``.

        Raises:
            InputError: as :func:`~tanq_monai.divergence.finite_losses`.
        """
        return finite_losses({f"loss_{name}": loss for name, loss in losses.items()}, self.state)


def weighted_cross_entropy(logits: Tensor, labels: Tensor, classes: Sequence[float]) -> Tensor:
    """Mean over the pixels of the whole batch, weighted by class, also where several ranks share the batch.

    Args:
        logits: (B, K, H, W), background first.
        labels: (B, H, W), 0 to K - 1.
        classes: K weights.

    References:
        TANQ, Eq. 8, whose classes weigh the same.
    """
    weight = logits.new_tensor(classes)
    total = mean_over_ranks(weight[labels].sum())
    return F.cross_entropy(logits, labels, weight=weight, reduction="sum") / total
