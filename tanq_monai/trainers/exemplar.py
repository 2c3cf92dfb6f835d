"""One training step of the translator by exemplars, as an Ignite engine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.engines import IterationEvents
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor, nn

from tanq_monai.choices.config import check_values
from tanq_monai.losses.adversarial import discriminator_loss, generator_loss
from tanq_monai.losses.cycle import cycle_loss
from tanq_monai.losses.disentangled import latent_loss, reconstruction_loss
from tanq_monai.networks.exemplar import ExemplarGenerator
from tanq_monai.ranks import mean_over_ranks
from tanq_monai.trainers.base import WEIGHT, AdversarialOptimizers, TranslatorTrainer
from tanq_monai.trainers.updates import update

MOMENTUM = 0.1
"""Of a step's codes in the running mean of hrT2's."""


@dataclass(frozen=True)
class ExemplarNetworks:
    """The networks that are trained together.

    Attributes:
        generator: encoder of content, encoder of hrT2's style, decoder: the translator that is wanted.
        source_style: encoder of ceT1's style.
        discriminator: of hrT2, by style, where the scans' names tell styles apart.
        source_discriminator: of ceT1.
    """

    generator: ExemplarGenerator
    source_style: nn.Module
    discriminator: nn.Module
    source_discriminator: nn.Module


@dataclass(frozen=True)
class ExemplarWeights:
    """Weights of the terms of L_G, each of which is the sum of its two directions.

    Attributes:
        adversarial: of passing for the other domain.
        reconstruction: of the L1 of a slice that is put together again.
        cycle: of the L1 of a slice there and back.
        content: of the L1 of a translation's content.
        style: of the L1 of a translation's style code.
    """

    adversarial: float = 1.0
    reconstruction: float = 10.0
    cycle: float = 10.0
    content: float = 1.0
    style: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what weighs nothing.

        Raises:
            InputError: for a weight that is none.
        """
        check_values(vars(self), dict.fromkeys(vars(self), WEIGHT))


@dataclass(frozen=True)
class _Parts:
    """Slices (2B, 1, H, W) with their contents (2B, C, H/4, W/4) and style codes (2B, 8)."""

    slices: Tensor
    content: Tensor
    style: Tensor


@dataclass(frozen=True)
class _Views:
    """The slices of a step and what was made of them; the first half always has the content of ceT1.

    ``real`` slices; ``pseudo`` ones, with the style of the slice of the other domain; ``rebuilt`` ones, with their own;
    ``again``: there and back.
    """

    real: _Parts
    pseudo: _Parts
    rebuilt: Tensor
    again: Tensor


class ExemplarTrainer(TranslatorTrainer):
    """Trains encoders, decoder and two discriminators on unpaired slices.

    A step: the slices of both domains are taken apart into content and style, and put together again, with their own
    style and with that of the slice that they are paired with, which is their exemplar; step of encoders and decoder
    against the frozen discriminators; step of the discriminators on the translations from before it. Batches and
    ``engine.state.output`` are those of :class:`TanqTrainer`. Label maps are not looked at.

    Args:
        device: of networks and batches.
        max_epochs: an epoch is one pass over ``train_data_loader``.
        train_data_loader: of the batches above.
        networks: trained in place; ``.network`` is the generator.
        optimizers: one for each step.
        weights: of the generator's loss.
        train_handlers: MONAI's or Ignite's.
        amp: autocast to bfloat16; losses stay float32.

    References:
        DAR-UNet, see :class:`ExemplarGenerator`, whose weights of the terms these are. It has discriminators at three
        scales and one of contents, AdaBelief, and the running mean of the weights; here discriminators, Adam and rates
        are those of CycleGAN. Looks come from exemplar scans, as in IntraStyler, 2026.
    """

    def __init__(
        self,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[dict[str, Tensor]],
        networks: ExemplarNetworks,
        optimizers: AdversarialOptimizers,
        weights: ExemplarWeights | None = None,
        train_handlers: Sequence[Any] | None = None,
        amp: bool = False,
    ) -> None:
        self.networks = networks
        self.optimizers = optimizers
        self.weights = weights or ExemplarWeights()
        super().__init__(
            device, max_epochs, train_data_loader, networks.generator, optimizers.generators, train_handlers, amp
        )

    def _iteration(self, engine: "ExemplarTrainer", batchdata: dict[str, Tensor]) -> dict[str, Any]:
        device = engine.state.device
        source, target, style = (batchdata[key].to(device) for key in (Keys.IMAGE, "target_domain", "style"))
        networks, optimizers = self.networks, self.optimizers
        networks.generator.train()
        views = self._translate(source[:, :1], target[:, :1])
        pseudo_target, _ = views.pseudo.slices.detach().chunk(2)
        output: dict[str, Any] = {Keys.IMAGE: source, Keys.PRED: pseudo_target}
        engine.state.output = output
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)

        discriminators = nn.ModuleList([networks.discriminator, networks.source_discriminator])
        discriminators.requires_grad_(False)
        output |= self.minimize(self._generator_terms(views, style), optimizers.generators)
        discriminators.requires_grad_(True)
        self._remember_look(views.real.style[len(source) :])

        loss = self._discriminator_loss(views, style)
        output |= self.finite({"discriminator": loss})
        update(loss, optimizers.discriminators)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return output

    def _translate(self, source: Tensor, target: Tensor) -> _Views:
        """Two passes of the content encoder and of the decoder: what can go through them at once does."""
        generator = self.networks.generator
        with self.autocast:
            real = self._take_apart(torch.cat([source, target]), self.networks.source_style, generator.style)
            other = real.style.roll(len(source), dims=0)  # of the slice that each one is paired with
            made = generator.decode(torch.cat([real.content, real.content]), torch.cat([real.style, other])).float()
            rebuilt, pseudo_slices = made.chunk(2)
            pseudo = self._take_apart(pseudo_slices, generator.style, self.networks.source_style)
            again = generator.decode(pseudo.content, real.style).float()
        return _Views(real, pseudo, rebuilt, again)

    def _take_apart(self, slices: Tensor, *style_encoders: nn.Module) -> _Parts:
        """Content and style, of the first half of the slices by one style encoder, of the second by the other."""
        halves = zip(style_encoders, slices.chunk(2), strict=True)
        style = torch.cat([encoder(half) for encoder, half in halves]).float()
        return _Parts(slices, self.networks.generator.encode(slices).float(), style)

    def _generator_terms(self, views: _Views, style: Tensor) -> dict[str, Tensor]:
        """The weighted terms of L_G by name."""
        weights, networks, real, pseudo = self.weights, self.networks, views.real, views.pseudo
        pseudo_target, pseudo_source = pseudo.slices.chunk(2)
        with self.autocast:
            scores = networks.discriminator(pseudo_target, style)
            source_scores = networks.source_discriminator(pseudo_source)
        adversarial = generator_loss(scores.float()) + generator_loss(source_scores.float())
        other = real.style.roll(len(style), dims=0)
        # The mean over both domains at once is half the sum of their means.
        return {
            "adversarial": weights.adversarial * adversarial,
            "reconstruction": weights.reconstruction * 2 * reconstruction_loss(real.slices, views.rebuilt),
            "cycle": weights.cycle * 2 * cycle_loss(real.slices, views.again),
            "content": weights.content * 2 * latent_loss(real.content, pseudo.content),
            "style": weights.style * 2 * latent_loss(other, pseudo.style),
        }

    def _discriminator_loss(self, views: _Views, style: Tensor) -> Tensor:
        """The sum over both discriminators."""
        networks, (source, target) = self.networks, views.real.slices.chunk(2)
        pseudo_target, pseudo_source = views.pseudo.slices.detach().chunk(2)
        with self.autocast:
            scores = networks.discriminator(torch.cat([target, pseudo_target]), torch.cat([style, style]))
            source_scores = networks.source_discriminator(torch.cat([source, pseudo_source]))
        real, fake = scores.float().chunk(2)
        real_source, fake_source = source_scores.float().chunk(2)
        return discriminator_loss(real, fake) + discriminator_loss(real_source, fake_source)

    def _remember_look(self, codes: Tensor) -> None:
        """Take hrT2's codes (B, 8) into their running mean."""
        self.networks.generator.looks.lerp_(mean_over_ranks(codes.mean(dim=0, keepdim=True)), MOMENTUM)
