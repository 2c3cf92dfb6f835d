"""One training step of TANQ, as an Ignite engine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.engines import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor, nn
from torch.optim import Optimizer

from tanq_monai.choices.config import check_values
from tanq_monai.errors import InputError
from tanq_monai.losses.adversarial import discriminator_loss, generator_loss
from tanq_monai.losses.contrastive import contrastive_loss
from tanq_monai.losses.levels import LevelRanges, level_loss
from tanq_monai.networks.attention import FeatureSampler
from tanq_monai.networks.generator import TanqGenerator, empty_label
from tanq_monai.structures import REGIONS, Regions
from tanq_monai.trainers.base import (
    CLASS_WEIGHTS,
    DEFAULT_CLASS_WEIGHTS,
    WEIGHT,
    TranslatorTrainer,
    weighted_cross_entropy,
)
from tanq_monai.trainers.updates import update
from tanq_monai.translation.magnitude import to_magnitude


@dataclass(frozen=True)
class TanqNetworks:
    """The three networks that are trained together."""

    generator: TanqGenerator
    discriminator: nn.Module
    projector: nn.Module


@dataclass(frozen=True)
class TanqOptimizers:
    """One optimizer for each network."""

    generator: Optimizer
    discriminator: Optimizer
    projector: Optimizer


@dataclass(frozen=True)
class TanqWeights:
    """Weights of the loss ``L_G = L_adv + (L_con^X + L_con^Y) / 2 + L_seg``.

    Attributes:
        adversarial: of L_adv.
        contrastive: of the mean of L_con^X (translation) and L_con^Y (identity). Eq. 10 writes their sum; the mean is
            QS-Attn's default, which the paper follows.
        segmentation: of L_seg; 0 for a generator without SegDecoder.
        levels: of :func:`~tanq_monai.losses.levels.level_loss`, which is ours; 0 is the paper.
        classes: of the rest and of structures in L_seg, by norm or by name, see
            :meth:`tanq_monai.structures.Regions.weights`. Eq. 8 has none; the structures are 0.03 % of the pixels.
    """

    adversarial: float = 1.0
    contrastive: float = 1.0
    segmentation: float = 1.0
    levels: float = 0.0
    classes: Mapping[str, float] = field(default_factory=DEFAULT_CLASS_WEIGHTS.copy)

    def __post_init__(self) -> None:
        """Refuse what weighs nothing.

        Raises:
            InputError: for a weight that is none.
        """
        terms = dict.fromkeys(("adversarial", "contrastive", "segmentation", "levels"), WEIGHT)
        check_values(vars(self), {**terms, "classes": CLASS_WEIGHTS})


class TanqTrainer(TranslatorTrainer):
    """Trains generator, discriminator and projector on unpaired slices.

    A step: one generator pass over source and target domain together; discriminator step on the detached translation;
    generator and projector step against the updated, frozen discriminator. Batches are dicts with ``image``, source
    slices and label maps (B, 2, H, W), ``target_domain``, real hrT2 slices (B, 2, H, W) whose label map is empty, and
    ``style``, the number of each hrT2 slice's style (B,), which its source slice is translated to.
    ``engine.state.output`` holds the losses by name.

    Args:
        device: of networks and batches.
        max_epochs: an epoch is one pass over ``train_data_loader``.
        train_data_loader: of the batches above.
        networks: trained in place; ``.network`` is the generator.
        optimizers: one each.
        weights: of the loss terms.
        sampler: which places of the feature maps are contrasted.
        level_ranges: lowest and highest mean magnitude of each structure in each style, for ``weights.levels``.
        regions: of the label maps.
        train_handlers: MONAI's or Ignite's.
        amp: autocast to bfloat16; statistics and attention stay float32.

    Raises:
        ValueError: for a weight of L_seg where the generator has no SegDecoder.
        InputError: when a region has no weight, or nothing is called as one that has.

    References:
        TANQ, Eq. 10, and its algorithm of alternating steps.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Tensor]],
        networks: TanqNetworks,
        optimizers: TanqOptimizers,
        weights: TanqWeights | None = None,
        sampler: FeatureSampler | None = None,
        level_ranges: Sequence[LevelRanges] = (),
        regions: Regions = REGIONS,
        train_handlers: Sequence[Any] | None = None,
        amp: bool = False,
    ) -> None:
        self.networks = networks
        self.optimizers = optimizers
        self.weights = weights or TanqWeights()
        if networks.generator.seg_decoder is None and self.weights.segmentation:
            raise ValueError(f"without SegDecoder weights.segmentation must be 0, got {self.weights.segmentation}")
        self.class_weights = regions.weights(self.weights.classes)
        self.sampler = sampler or FeatureSampler()
        self.level_ranges = level_ranges
        super().__init__(
            device, max_epochs, train_data_loader, networks.generator, optimizers.generator, train_handlers, amp
        )

    def _iteration(self, engine: "TanqTrainer", batchdata: dict[str, Tensor]) -> dict[str, Any]:
        device = engine.state.device
        source, target, style = (batchdata[key].to(device) for key in (Keys.IMAGE, "target_domain", "style"))
        networks, optimizers = self.networks, self.optimizers
        networks.generator.train()
        with self.autocast:
            both, styles = torch.cat([source, target]), torch.cat([style, style])
            image, features, logits = networks.generator(both, styles, segmented=len(source))
        translation, identity = image.float().split(len(source))
        output: dict[str, Any] = {Keys.IMAGE: source, Keys.PRED: translation.detach()}
        engine.state.output = output
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)

        loss = self._discriminator_loss(target[:, :1], translation.detach(), style)
        output |= self.finite({"discriminator": loss})
        update(loss, optimizers.discriminator)

        networks.discriminator.requires_grad_(False)
        terms = self._generator_terms(source, style, translation, identity, features, logits)
        output |= self.minimize(terms, optimizers.generator, optimizers.projector)
        networks.discriminator.requires_grad_(True)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _discriminator_loss(self, real: Tensor, fake: Tensor, style: Tensor) -> Tensor:
        with self.autocast:
            scores = self.networks.discriminator(torch.cat([real, fake]), torch.cat([style, style]))
        real_scores, fake_scores = scores.float().split(len(real))
        return discriminator_loss(real_scores, fake_scores)

    def _generator_terms(
        self,
        source: Tensor,
        style: Tensor,
        translation: Tensor,
        identity: Tensor,
        features: list[Tensor],
        logits: Tensor | None,
    ) -> dict[str, Tensor]:
        """The weighted terms of L_G by name."""
        weights, generator = self.weights, self.networks.generator
        with self.autocast:
            scores = self.networks.discriminator(translation, style)
            again = torch.cat([torch.cat([translation, source[:, 1:]], dim=1), empty_label(identity)])
            keys, queries = self.sampler(features, generator.encode(again))
            queries = self.networks.projector(queries)
            with torch.no_grad():
                keys = self.networks.projector(keys)
        if weights.levels and int(style.max()) >= len(self.level_ranges):
            problem = f"has {len(self.level_ranges)} entries, and there is a style number {int(style.max())}"
            raise InputError("level_ranges", problem, "give one entry for each style")
        levels = sum(
            level_loss(to_magnitude(translation), source[:, 1:], ranges)[style == number].sum() / len(style)
            for number, ranges in enumerate(self.level_ranges)
        )
        terms = {
            "adversarial": weights.adversarial * generator_loss(scores.float()),
            # Mean over source and target slices of one batch = (L_con^X + L_con^Y) / 2.
            "contrastive": weights.contrastive * contrastive_loss(queries, keys),
            "levels": weights.levels * levels + translation.new_zeros(()),
        }
        if logits is not None:
            structures = source[:, 1].round().long()
            cross_entropy = weighted_cross_entropy(logits.float(), structures, self.class_weights)
            terms["segmentation"] = weights.segmentation * cross_entropy
        return terms
