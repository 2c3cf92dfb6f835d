"""One training step of CycleGAN, the second view, as an Ignite engine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.engines import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor, nn

from tanq_monai.choices.config import check_values
from tanq_monai.losses.adversarial import discriminator_loss, generator_loss
from tanq_monai.losses.cycle import cycle_loss, identity_loss
from tanq_monai.networks.cyclegan import CycleGanGenerator
from tanq_monai.structures import REGIONS, Regions
from tanq_monai.trainers.base import (
    CLASS_WEIGHTS,
    DEFAULT_CLASS_WEIGHTS,
    WEIGHT,
    AdversarialOptimizers,
    TranslatorTrainer,
    weighted_cross_entropy,
)
from tanq_monai.trainers.image_pool import ImagePool
from tanq_monai.trainers.updates import update


@dataclass(frozen=True)
class CycleGanNetworks:
    """The four networks that are trained together.

    Attributes:
        generator: ceT1 -> hrT2, the translator that is wanted.
        inverse_generator: hrT2 -> ceT1.
        discriminator: of hrT2, by style.
        source_discriminator: of ceT1.
        seg_decoders: none; or two, which see the structures in what the residual blocks of ``generator`` and of
            ``inverse_generator`` yield.
    """

    generator: CycleGanGenerator
    inverse_generator: CycleGanGenerator
    discriminator: nn.Module
    source_discriminator: nn.Module
    seg_decoders: Sequence[nn.Module] = ()


@dataclass(frozen=True)
class CycleGanPools:
    """Earlier translations to hrT2 and to ceT1, for the discriminator of each."""

    discriminator: ImagePool = field(default_factory=ImagePool)
    source_discriminator: ImagePool = field(default_factory=ImagePool)


@dataclass(frozen=True)
class CycleGanWeights:
    """Weights of the terms of L_G, each of which is the sum of its two directions.

    Attributes:
        adversarial: of passing for the other domain.
        cycle: of the L1 of a slice there and back.
        identity: of the L1 of a slice that is translated to its own domain.
        segmentation: of the cross-entropies of the SegDecoders, where there are some.
        classes: of the rest and of structures in them, as of :class:`~tanq_monai.trainers.tanq.TanqWeights`.
    """

    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 5.0
    segmentation: float = 1.0
    classes: Mapping[str, float] = field(default_factory=DEFAULT_CLASS_WEIGHTS.copy)

    def __post_init__(self) -> None:
        """Refuse what weighs nothing.

        Raises:
            InputError: for a weight that is none.
        """
        check_values(vars(self), dict.fromkeys(vars(self), WEIGHT) | {"classes": CLASS_WEIGHTS})


@dataclass(frozen=True)
class _Views:
    """The slices of a step, real and translated, (B, 1, H, W): ``pseudo`` once, ``again`` there and back.

    ``logits`` (B, classes, H, W) are what the SegDecoders see in ceT1 and in its translation; empty without them.
    """

    source: Tensor
    target: Tensor
    pseudo_target: Tensor
    pseudo_source: Tensor
    source_again: Tensor
    target_again: Tensor
    source_kept: Tensor
    target_kept: Tensor
    logits: tuple[Tensor, ...]


class CycleGanTrainer(TranslatorTrainer):
    """Trains two generators and two discriminators on unpaired slices.

    A step: both domains are translated there and back; step of the generators against the frozen discriminators; step
    of the discriminators, on the translations from before it and earlier ones. Batches and ``engine.state.output`` are
    those of :class:`TanqTrainer`. The style of an hrT2 slice is told to the discriminator alone: the generator makes of
    all sources what passes best for the styles they are paired with. Label maps are only looked at where there are
    SegDecoders: that of the generator sees the structures in ceT1, that of the inverse one in the translation, so that
    they stay legible there.

    Args:
        device: of networks and batches.
        max_epochs: an epoch is one pass over ``train_data_loader``.
        train_data_loader: of the batches above.
        networks: trained in place; ``.network`` is the generator of hrT2.
        optimizers: one for each step.
        weights: of the generators' loss.
        pools: of earlier translations.
        regions: of the label maps.
        train_handlers: MONAI's or Ignite's.
        amp: autocast to bfloat16; losses stay float32.

    Raises:
        InputError: when a region has no weight, or nothing is called as one that has.

    References:
        Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017. The
        SegDecoders follow Shin et al., "COSMOS: Cross-Modality Unsupervised Domain Adaptation for 3D Medical Image
        Segmentation based on Target-Aware Domain Translation and Iterative Self-Training", 2022; network, loss and
        weights are those of TANQ's.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Tensor]],
        networks: CycleGanNetworks,
        optimizers: AdversarialOptimizers,
        weights: CycleGanWeights | None = None,
        pools: CycleGanPools | None = None,
        regions: Regions = REGIONS,
        train_handlers: Sequence[Any] | None = None,
        amp: bool = False,
    ) -> None:
        self.networks = networks
        self.optimizers = optimizers
        self.weights = weights or CycleGanWeights()
        self.pools = pools or CycleGanPools()
        self.class_weights = regions.weights(self.weights.classes)
        super().__init__(
            device, max_epochs, train_data_loader, networks.generator, optimizers.generators, train_handlers, amp
        )

    def _iteration(self, engine: "CycleGanTrainer", batchdata: dict[str, Tensor]) -> dict[str, Any]:
        device = engine.state.device
        source, target, style = (batchdata[key].to(device) for key in (Keys.IMAGE, "target_domain", "style"))
        networks, optimizers = self.networks, self.optimizers
        networks.generator.train()
        views = self._translate(source[:, :1], target[:, :1])
        output: dict[str, Any] = {Keys.IMAGE: source, Keys.PRED: views.pseudo_target.detach()}
        engine.state.output = output
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)

        discriminators = nn.ModuleList([networks.discriminator, networks.source_discriminator])
        discriminators.requires_grad_(False)
        terms = self._generator_terms(views, style, source[:, 1].round().long())
        output |= self.minimize(terms, optimizers.generators)
        discriminators.requires_grad_(True)

        loss = self._discriminator_loss(views, style)
        output |= self.finite({"discriminator": loss})
        update(loss, optimizers.discriminators)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _translate(self, source: Tensor, target: Tensor) -> _Views:
        """Two passes of each generator: what is real goes through both at once, for translation and identity."""
        forward, inverse = self.networks.generator, self.networks.inverse_generator
        with self.autocast:
            of_real = forward.encode(torch.cat([source, target]))
            pseudo_target, target_kept = forward.decode(of_real).float().chunk(2)
            pseudo_source, source_kept = inverse(torch.cat([target, source])).float().chunk(2)
            of_pseudo = inverse.encode(pseudo_target)
            source_again, target_again = inverse.decode(of_pseudo).float(), forward(pseudo_source).float()
            seen = zip(self.networks.seg_decoders, (of_real[: len(source)], of_pseudo), strict=False)
            logits = tuple(decoder(hidden) for decoder, hidden in seen)
        real, pseudo = (source, target), (pseudo_target, pseudo_source)
        return _Views(*real, *pseudo, source_again, target_again, source_kept, target_kept, logits)

    def _generator_terms(self, views: _Views, style: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms of L_G by name."""
        weights, networks = self.weights, self.networks
        with self.autocast:
            scores = networks.discriminator(views.pseudo_target, style)
            source_scores = networks.source_discriminator(views.pseudo_source)
        adversarial = generator_loss(scores.float()) + generator_loss(source_scores.float())
        cycle = cycle_loss(views.source, views.source_again) + cycle_loss(views.target, views.target_again)
        identity = identity_loss(views.source, views.source_kept) + identity_loss(views.target, views.target_kept)
        terms = {
            "adversarial": weights.adversarial * adversarial,
            "cycle": weights.cycle * cycle,
            "identity": weights.identity * identity,
        }
        if views.logits:
            of_each = [weighted_cross_entropy(one.float(), labels, self.class_weights) for one in views.logits]
            terms["segmentation"] = weights.segmentation * torch.stack(of_each).sum()
        return terms

    def _discriminator_loss(self, views: _Views, style: Tensor) -> Tensor:
        """The sum over both discriminators, each with its own pool."""
        networks, pools = self.networks, self.pools
        fake, fake_style = pools.discriminator.exchange(views.pseudo_target, style)
        fake_source, _ = pools.source_discriminator.exchange(views.pseudo_source, torch.zeros_like(style))
        with self.autocast:
            scores = networks.discriminator(torch.cat([views.target, fake]), torch.cat([style, fake_style]))
            source_scores = networks.source_discriminator(torch.cat([views.source, fake_source]))
        real, of_fake = scores.float().chunk(2)
        real_source, of_fake_source = source_scores.float().chunk(2)
        return discriminator_loss(real, of_fake) + discriminator_loss(real_source, of_fake_source)
