"""Slices of one batch that differ in their labels and styles: each term looks at its own."""

import pytest
import torch
from tiny import slices

from tanq_monai.losses.levels import level_loss
from tanq_monai.networks import FeatureProjector, FeatureSampler, PatchDiscriminator, TanqGenerator
from tanq_monai.trainers.tanq import TanqNetworks, TanqOptimizers, TanqTrainer, TanqWeights

STYLE = torch.tensor([1, 0])
RANGES = [{1: (0.9, 1.0), 2: (0.0, 0.1)}, {1: (0.0, 0.2), 2: (0.7, 0.8)}]
CLASSES = (0.01, 0.6, 1.2)


@pytest.fixture(scope="module")
def batch() -> dict[str, torch.Tensor]:
    """The second source slice has its structures elsewhere."""
    source = slices(2, 1, labelled=True)
    source[1, 1] = source[1, 1].flip(1).roll(3, dims=0)
    return {"image": source, "target_domain": slices(2, 2, labelled=False), "style": STYLE}


@pytest.fixture(scope="module")
def networks() -> TanqNetworks:
    generator = TanqGenerator(width=4, blocks=2, num_styles=2)
    projector = FeatureProjector(generator.feature_channels, width=8)
    parts = TanqNetworks(generator, PatchDiscriminator(width=4, num_styles=2), projector)
    draws = torch.Generator().manual_seed(0)
    for network in (parts.generator, parts.discriminator, parts.projector):
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=draws)
    return parts


@pytest.fixture(scope="module")
def expected(networks: TanqNetworks, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Translations and logits of the source slices, one by one, before the step."""
    made = [
        networks.generator.train()(image[None], style[None])
        for image, style in zip(batch["image"], batch["style"], strict=True)
    ]
    return torch.cat([m.image for m in made]).detach(), torch.cat([m.logits for m in made]).detach()


@pytest.fixture(scope="module")
def losses(
    networks: TanqNetworks, batch: dict[str, torch.Tensor], expected: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, float]:
    optimizers = [
        torch.optim.SGD(n.parameters(), lr=0.0)
        for n in (networks.generator, networks.discriminator, networks.projector)
    ]
    trainer = TanqTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=[batch],
        networks=networks,
        optimizers=TanqOptimizers(*optimizers),
        weights=TanqWeights(levels=3.0),
        sampler=FeatureSampler(num_patches=16),
        level_ranges=RANGES,
    )
    with torch.random.fork_rng():
        trainer.run()
    return {name: float(value) for name, value in trainer.state.output.items() if name.startswith("loss")}


def test_the_segmentation_of_a_slice_is_compared_with_its_own_labels(
    losses: dict[str, float], expected: tuple[torch.Tensor, torch.Tensor], batch: dict[str, torch.Tensor]
) -> None:
    truth, log_p = batch["image"][:, 1].long(), expected[1].log_softmax(dim=1)
    weight = torch.tensor(CLASSES)[truth]
    picked = log_p.gather(1, truth[:, None])[:, 0]
    assert losses["loss_segmentation"] == pytest.approx(float(-(weight * picked).sum() / weight.sum()), rel=1e-4)


def test_the_level_of_a_slice_is_held_to_the_range_of_its_style(
    losses: dict[str, float], expected: tuple[torch.Tensor, torch.Tensor], batch: dict[str, torch.Tensor]
) -> None:
    magnitude, labels = (expected[0] + 1) / 2, batch["image"][:, 1:]
    by_slice = [
        level_loss(magnitude[n : n + 1], labels[n : n + 1], RANGES[style]) for n, style in enumerate(STYLE.tolist())
    ]
    assert losses["loss_levels"] == pytest.approx(3 * float(torch.cat(by_slice).mean()), rel=1e-4)


def test_the_translation_of_a_slice_is_judged_as_of_its_style(
    losses: dict[str, float], expected: tuple[torch.Tensor, torch.Tensor], networks: TanqNetworks
) -> None:
    with torch.no_grad():
        scores = [networks.discriminator(expected[0], torch.full((2,), style)) for style in (0, 1)]
    own = torch.stack([scores[style][n] for n, style in enumerate(STYLE.tolist())])
    assert losses["loss_adversarial"] == pytest.approx(float((own - 1).square().mean()), rel=1e-4)
