import copy

import pytest
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils.enums import CommonKeys as Keys
from tiny import networks, slices
from torch.nn import functional as F

from tanq_monai.losses.contrastive import contrastive_loss
from tanq_monai.losses.levels import level_loss
from tanq_monai.networks import FeatureSampler
from tanq_monai.networks.generator import empty_label
from tanq_monai.trainers.tanq import TanqOptimizers, TanqTrainer, TanqWeights

SOURCE, TARGET = slices(2, 1, labelled=True), slices(2, 2, labelled=False)
STYLE = torch.zeros(2, dtype=torch.long)
RANGES = {1: (0.9, 1.0), 2: (0.0, 0.1)}
SEED = 11


def _optimizers(parts):
    """Plain gradient descent: Adam would turn a rounding error of a vanishing gradient into a whole step."""
    return [torch.optim.SGD(n.parameters(), lr=0.002) for n in (parts.generator, parts.discriminator, parts.projector)]


def _trainer(parts, weights=None, steps=1, **choices):
    trainer = TanqTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": SOURCE, "target_domain": TARGET, "style": STYLE}] * steps,
        networks=parts,
        optimizers=TanqOptimizers(*_optimizers(parts)),
        weights=weights,
        sampler=FeatureSampler(num_patches=16),
        level_ranges=[RANGES],
        **choices,
    )
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda e: torch.manual_seed(SEED + e.state.iteration))
    return trainer


def _run(trainer):
    with torch.random.fork_rng():
        trainer.run()
    return trainer.state.output


def _contrast(parts, own, translated):
    """One half of the contrastive loss, of a training-mode pass that has the features ``own``."""
    keys, queries = FeatureSampler(num_patches=16)(own, parts.generator.encode(translated))
    return contrastive_loss(parts.projector(queries), parts.projector(keys))


def _reference_step(parts, optimizers, weights, iteration):
    """The update written out: forward, discriminator, then generator and projector. Returns the losses by name."""
    generator, discriminator = parts.generator, parts.discriminator
    image, features, logits = generator(torch.cat([SOURCE, TARGET]))
    fake, identity = image[:2], image[2:]

    real_scores, fake_scores = discriminator(TARGET[:, :1]), discriminator(fake.detach())
    loss_d = 0.5 * F.mse_loss(real_scores, torch.ones_like(real_scores)) + 0.5 * fake_scores.square().mean()
    gradients = torch.autograd.grad(loss_d, list(discriminator.parameters()))
    for parameter, gradient in zip(discriminator.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizers[1].step()

    scores = discriminator(fake)
    both = torch.cat([torch.cat([fake, SOURCE[:, 1:]], dim=1), empty_label(identity)])
    torch.manual_seed(SEED + iteration)
    terms = {
        "adversarial": F.mse_loss(scores, torch.ones_like(scores)) * weights.adversarial,
        "contrastive": _contrast(parts, features, both) * weights.contrastive,
        "segmentation": F.cross_entropy(logits[:2], SOURCE[:, 1].long(), torch.tensor(list(weights.classes.values())))
        * weights.segmentation,
        "levels": level_loss((fake + 1) / 2, SOURCE[:, 1:], RANGES).mean() * weights.levels,
    }
    learning = [*generator.parameters(), *parts.projector.parameters()]
    gradients = torch.autograd.grad(sum(terms.values()), learning, allow_unused=True)
    for parameter, gradient in zip(learning, gradients, strict=True):
        parameter.grad = gradient
    optimizers[0].step()
    optimizers[2].step()
    return {f"loss_{name}": term.item() for name, term in terms.items()} | {
        "loss": sum(terms.values()).item(),
        "loss_discriminator": loss_d.item(),
    }


@pytest.mark.parametrize(
    "weights",
    [TanqWeights(), TanqWeights(0.5, 2.0, 3.0, levels=4.0, classes={"others": 1.0, "VS": 2.0, "own": 3.0})],
    ids=["paper", "other"],
)
def test_two_steps_equal_the_update_written_out(weights):
    parts = networks()
    reference = copy.deepcopy(parts)
    output = _run(_trainer(parts, weights, steps=2))
    optimizers = _optimizers(reference)
    with torch.random.fork_rng():
        for iteration in (1, 2):
            expected = _reference_step(reference, optimizers, weights, iteration)
    assert {name: value for name, value in output.items() if name in expected} == pytest.approx(expected, rel=1e-4)
    for part in ("generator", "discriminator", "projector"):
        for (name, value), other in zip(
            getattr(parts, part).named_parameters(), getattr(reference, part).parameters(), strict=True
        ):
            # In float64 they agree to 1e-11; two steps magnify the rounding of float32.
            torch.testing.assert_close(value, other, rtol=0, atol=5e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_contrastive_term_is_the_mean_of_translation_and_identity():
    parts = networks()
    with torch.no_grad():
        image, features, _ = parts.generator(torch.cat([SOURCE, TARGET]))
        translated = torch.cat([torch.cat([image[:2], SOURCE[:, 1:]], dim=1), empty_label(image[2:])])
        with torch.random.fork_rng():
            halves = []
            for half in (slice(0, 2), slice(2, 4)):
                torch.manual_seed(SEED + 1)
                halves.append(_contrast(parts, [f[half] for f in features], translated[half]).item())
    assert _run(_trainer(parts))["loss_contrastive"] == pytest.approx(sum(halves) / 2, rel=1e-4)


def test_discriminator_does_not_learn_from_the_loss_of_the_generator():
    parts = networks()
    trainer, gradients = _trainer(parts), []
    trainer.add_event_handler(
        IterationEvents.LOSS_COMPLETED,
        lambda: gradients.append([p.grad.clone() for p in parts.discriminator.parameters()]),
    )
    _run(trainer)
    for before, parameter in zip(gradients[0], parts.discriminator.parameters(), strict=True):
        assert parameter.requires_grad
        assert torch.equal(before, parameter.grad)


def test_discriminator_is_updated_before_the_generator():
    parts = networks()
    before = {name: value.clone() for name, value in parts.generator.state_dict().items()}
    discriminator = {name: value.clone() for name, value in parts.discriminator.state_dict().items()}
    trainer = _trainer(parts)

    @trainer.on(IterationEvents.LOSS_COMPLETED)
    def look():
        assert all(torch.equal(value, before[name]) for name, value in parts.generator.state_dict().items())
        assert not all(torch.equal(p, discriminator[name]) for name, p in parts.discriminator.named_parameters())

    _run(trainer)


def test_a_step_takes_one_whole_pass_and_one_encoding():
    parts = networks()
    calls = {name: [] for name in ("stem", "up1", "head", "seg_decoder")}
    for name, seen in calls.items():
        getattr(parts.generator, name).register_forward_hook(lambda m, x, y, seen=seen: seen.append(len(y)))
    _run(_trainer(parts))
    assert calls == {"stem": [4, 4], "up1": [4], "head": [4], "seg_decoder": [2]}


def test_discriminator_sees_the_updated_weights_and_the_undetached_fake_last():
    parts, seen = networks(), []
    parts.discriminator.register_forward_hook(lambda m, x, y: seen.append((len(x[0]), x[0].requires_grad)))
    _run(_trainer(parts))
    assert seen == [(4, False), (2, True)]


def test_output_holds_the_losses_the_slices_and_their_translation():
    output = _run(_trainer(networks()))
    terms = ("adversarial", "contrastive", "segmentation", "levels")
    assert set(output) == {Keys.IMAGE, Keys.PRED, Keys.LOSS, "loss_discriminator", *(f"loss_{t}" for t in terms)}
    assert torch.equal(output[Keys.IMAGE], SOURCE)
    assert output[Keys.PRED].shape == (2, 1, 32, 32)
    assert not output[Keys.PRED].requires_grad
    assert output[Keys.LOSS] == pytest.approx(sum(output[f"loss_{t}"] for t in terms), rel=1e-6)


def test_labels_of_the_target_domain_are_never_looked_at():
    assert (TARGET[:, 1] == 0).all()  # the segmentation term is of the source alone
    parts = networks()
    with torch.no_grad():
        logits = parts.generator(torch.cat([SOURCE, TARGET])).logits[:2]
    classes = torch.tensor((0.01, 0.6, 1.2))
    log_p, truth = logits.log_softmax(dim=1), SOURCE[:, 1].long()
    picked = log_p.gather(1, truth[:, None])[:, 0]
    expected = -(classes[truth] * picked).sum() / classes[truth].sum()
    assert _run(_trainer(parts))["loss_segmentation"] == pytest.approx(expected.item(), rel=1e-5)


def test_it_is_a_supervised_trainer_of_the_generator_and_fires_its_events():
    parts = networks()
    trainer, fired = _trainer(parts), []
    assert isinstance(trainer, SupervisedTrainer)
    assert trainer.network is parts.generator
    events = [IterationEvents.FORWARD_COMPLETED, IterationEvents.LOSS_COMPLETED]
    events += [IterationEvents.BACKWARD_COMPLETED, IterationEvents.MODEL_COMPLETED]
    for event in events:
        trainer.add_event_handler(event, lambda engine, e=event: fired.append(e))
    _run(trainer)
    assert fired == events


def test_autocast_to_bfloat16_stays_near_the_exact_losses():
    exact, rounded = (_run(_trainer(networks(), amp=amp)) for amp in (False, True))
    names = [name for name in exact if name.startswith("loss")]
    assert [float(rounded[n]) for n in names] == pytest.approx([float(exact[n]) for n in names], rel=0.15, abs=0.02)


def _without_seg_decoder():
    parts = networks()
    parts.generator.seg_decoder = None
    return parts


def test_without_seg_decoder_the_other_terms_are_what_they_were():
    with_decoder, without = (
        _run(_trainer(networks())),
        _run(_trainer(_without_seg_decoder(), TanqWeights(segmentation=0))),
    )
    assert "loss_segmentation" not in without
    names = [name for name in without if name.startswith("loss_")]
    assert {name: without[name] for name in names} == pytest.approx({name: with_decoder[name] for name in names})
    assert float(without[Keys.LOSS]) == pytest.approx(
        float(with_decoder[Keys.LOSS]) - with_decoder["loss_segmentation"], rel=1e-5
    )


def test_a_weight_of_the_segmentation_without_seg_decoder_is_refused():
    with pytest.raises(ValueError, match=r"without SegDecoder weights\.segmentation must be 0, got 1\.0"):
        _trainer(_without_seg_decoder())
