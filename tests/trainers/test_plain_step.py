"""The trainer's step against one of plain operations in float64: what was made faster is the same step."""

import plain
import pytest
import torch
from monai.engines import IterationEvents
from tiny import networks, slices
from torch.nn import functional as F

from tanq_monai.networks import FeatureSampler, bands
from tanq_monai.trainers.tanq import TanqOptimizers, TanqTrainer

SOURCE, TARGET = slices(2, 1, labelled=True), slices(2, 2, labelled=False)
STYLE = torch.zeros(2, dtype=torch.long)
PATCHES, SEED = 16, 11
PARTS = ("generator", "discriminator", "projector")


def _gradients(parts, amp=False):
    """Of every parameter by part and name, in a step that leaves the weights as they are; and the losses."""
    optimizers = [torch.optim.SGD(getattr(parts, name).parameters(), lr=0.0) for name in PARTS]
    trainer = TanqTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": SOURCE, "target_domain": TARGET, "style": STYLE}],
        networks=parts,
        optimizers=TanqOptimizers(*optimizers),
        sampler=FeatureSampler(num_patches=PATCHES),
        amp=amp,
    )
    trainer.add_event_handler(IterationEvents.FORWARD_COMPLETED, lambda: torch.manual_seed(SEED))
    with torch.random.fork_rng():
        trainer.run()
    losses = {name: float(value) for name, value in trainer.state.output.items() if name.startswith("loss_")}
    named = {part: dict(getattr(parts, part).named_parameters()) for part in PARTS}
    return {(part, name): p.grad for part, own in named.items() for name, p in own.items()}, losses


def _plain_gradients(parts):
    weights = {
        part: {name: p.detach().double().requires_grad_() for name, p in getattr(parts, part).named_parameters()}
        for part in PARTS
    }
    generator, discriminator, projector = (weights[part] for part in PARTS)
    source, target = SOURCE.double(), TARGET.double()
    both = torch.cat([source, target])
    hidden, features = plain.encode(both, generator, blocks=2)
    fake, identity = plain.translate(hidden, both[:, 1:], generator).chunk(2)

    real_scores, fake_scores = (plain.discriminate(x, discriminator) for x in (target[:, :1], fake.detach()))
    losses = {"loss_discriminator": ((real_scores - 1).square().mean() + fake_scores.square().mean()) / 2}
    of_discriminator = torch.autograd.grad(losses["loss_discriminator"], list(discriminator.values()))

    again = torch.cat([torch.cat([fake, source[:, 1:]], dim=1), torch.cat([identity, 0 * identity], dim=1)])
    classes = torch.tensor((0.01, 0.6, 1.2), dtype=torch.float64)
    logits = plain.segment(hidden[:2], generator)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        contrastive = plain.contrast(features, plain.encode(again, generator, blocks=2)[1], projector, PATCHES)
    terms = {
        "loss_adversarial": (plain.discriminate(fake, discriminator) - 1).square().mean(),
        "loss_contrastive": contrastive,
        "loss_segmentation": F.cross_entropy(logits, source[:, 1].long(), classes),
        "loss_levels": torch.zeros((), dtype=torch.float64),
    }
    learning = [*generator.values(), *projector.values()]
    others = torch.autograd.grad(sum(terms.values()), learning, allow_unused=True)
    names = [(part, name) for part in ("generator", "projector", "discriminator") for name in weights[part]]
    gradients = dict(zip(names, [*others, *of_discriminator], strict=True))
    return gradients, {name: term.item() for name, term in (losses | terms).items()}


@pytest.fixture(scope="module")
def expected():
    """Gradients and losses of the plain step."""
    return _plain_gradients(networks())


@pytest.mark.parametrize("at_once", [1, 2**18], ids=["row by row", "at once"])
def test_gradients_and_losses_of_a_step_are_those_of_plain_operations(monkeypatch, expected, at_once):
    monkeypatch.setattr(bands, "AT_ONCE", at_once)
    gradients, losses = _gradients(networks())
    assert losses == pytest.approx(expected[1], rel=1e-5)
    assert set(gradients) == set(expected[0])
    for name, exact in expected[0].items():
        found = gradients[name].double()
        # Relative to the gradient of the whole layer; of a bias before a norm it is 0 but for rounding.
        scale = max(exact.norm().item(), 0.1)
        assert (found - exact).norm().item() < 1e-3 * scale, name
