"""Supervised pretraining of the TANQ generator on pairs, as an Ignite engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.engines import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor
from torch.nn import functional as F

from tanq_monai.choices.config import check_values
from tanq_monai.structures import REGIONS
from tanq_monai.trainers.base import CLASS_WEIGHTS, WEIGHT, TranslatorTrainer
from tanq_monai.trainers.tanq import weighted_cross_entropy


@dataclass(frozen=True)
class PairWeights:
    """Weights of the loss between the translation and the true hrT2, both in [-1, 1].

    Attributes:
        difference: of the mean absolute difference.
        gradient: of that between neighbouring pixels' differences: edges, which the mean alone leaves blurred.
        structures: of the mean absolute difference inside VS and cochlea, each counting alike: they are few pixels.
        segmentation: of the SegDecoder's cross-entropy.
        classes: of background, VS and cochlea in the latter, as in :class:`tanq_monai.trainers.tanq.TanqWeights`.
    """

    difference: float = 1.0
    gradient: float = 1.0
    structures: float = 1.0
    segmentation: float = 1.0
    classes: Sequence[float] = (0.01, 0.6, 1.2)

    def __post_init__(self) -> None:
        """Refuse what weighs nothing.

        Raises:
            InputError: for a weight that is none.
        """
        terms = dict.fromkeys(("difference", "gradient", "structures", "segmentation"), WEIGHT)
        check_values(vars(self), {**terms, "classes": CLASS_WEIGHTS})


class PairTrainer(TranslatorTrainer):
    """Trains a generator to turn ceT1 into the hrT2 of the same patient.

    Batches are dicts with ``image``, ceT1 and label map (B, 2, H, W), ``target_domain``, the true hrT2 (B, 1, H, W),
    and ``style`` (B,). ``engine.state.output`` holds the losses by name. A warm start for
    :class:`tanq_monai.trainers.tanq.TanqTrainer`; the paper has none.

    Args:
        weights: of the loss terms.
        **kwargs: as of :class:`~tanq_monai.trainers.base.TranslatorTrainer`.
    """

    def __init__(self, weights: PairWeights | None = None, **kwargs: Any) -> None:
        self.weights = weights or PairWeights()
        super().__init__(**kwargs)

    def _iteration(self, engine: "PairTrainer", batchdata: dict[str, Tensor]) -> dict[str, Any]:
        device = engine.state.device
        source, truth, style = (batchdata[key].to(device) for key in (Keys.IMAGE, "target_domain", "style"))
        engine.network.train()
        with self.autocast:
            image, _, logits = engine.network(source, style)
        output: dict[str, Any] = {Keys.IMAGE: source, Keys.PRED: image.detach().float()}
        engine.state.output = output
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        terms = pair_terms(image.float(), truth, source[:, 1:], logits, self.weights)
        output |= self.minimize(terms, engine.optimizer)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output


def pair_terms(
    image: Tensor, truth: Tensor, labels: Tensor, logits: Tensor | None, weights: PairWeights
) -> dict[str, Tensor]:
    """The weighted terms of the loss by name.

    Args:
        image: translation (B, 1, H, W).
        truth: hrT2 of the same patients, alike.
        labels: label map, alike.
        logits: the SegDecoder's, (B, classes, H, W), if there is one.
        weights: of the terms.
    """
    terms = {
        "difference": weights.difference * F.l1_loss(image, truth),
        "gradient": weights.gradient * _gradient_difference(image, truth),
        "structures": weights.structures * _difference_inside(image, truth, labels),
    }
    if logits is not None:
        cross_entropy = weighted_cross_entropy(logits.float(), labels[:, 0].round().long(), weights.classes)
        terms["segmentation"] = weights.segmentation * cross_entropy
    return terms


def _gradient_difference(image: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the steps from pixel to pixel, mean of both axes."""
    return torch.stack([F.l1_loss(image.diff(dim=axis), truth.diff(dim=axis)) for axis in (-2, -1)]).mean()


def _difference_inside(image: Tensor, truth: Tensor, labels: Tensor) -> Tensor:
    """Mean absolute difference inside each structure, mean of those that the batch holds; 0 without any."""
    difference = (image - truth).abs()
    inside = [labels.round() == value for value in REGIONS.values()]
    means = [difference[mask].mean() for mask in inside if mask.any()]
    return torch.stack(means).mean() if means else image.new_zeros(())
