import copy
from dataclasses import astuple, fields
from pathlib import Path

import processes
import pytest
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils.enums import CommonKeys as Keys
from tiny import assert_moved_alike, slices
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F

from tanq_monai.errors import InputError
from tanq_monai.networks import CycleGanGenerator, PatchDiscriminator, SegDecoder
from tanq_monai.trainers.base import AdversarialOptimizers
from tanq_monai.trainers.cyclegan import (
    CycleGanNetworks,
    CycleGanPools,
    CycleGanTrainer,
    CycleGanWeights,
)
from tanq_monai.trainers.image_pool import ImagePool

STEPS, BATCH, SEED = 3, 2, 17
BATCHES = [
    {
        "image": slices(BATCH, 10 + step, labelled=True),
        "target_domain": slices(BATCH, 20 + step, labelled=False),
        "style": torch.full((BATCH,), step % 2),
    }
    for step in range(STEPS)
]
NAMES = [field.name for field in fields(CycleGanNetworks) if field.name != "seg_decoders"]
TERMS = ("adversarial", "cycle", "identity")
CLASS_WEIGHTS = torch.tensor([0.01, 0.6, 1.2])


def _networks(seg_decoders=False):
    """Of width 4, with weights large enough for every loss to have a gradient; hrT2 has two styles."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = CycleGanNetworks(
            CycleGanGenerator(width=4, blocks=1),
            CycleGanGenerator(width=4, blocks=1),
            PatchDiscriminator(width=4, antialiased=False, num_styles=2),
            PatchDiscriminator(width=4, antialiased=False),
            [SegDecoder(16), SegDecoder(16)] if seg_decoders else [],
        )
        for network in _all(parts).values():
            for parameter in network.parameters():
                parameter.data += 0.2 * torch.randn(parameter.shape)
    return parts


def _all(parts):
    decoders = {f"seg_decoder_{number}": network for number, network in enumerate(parts.seg_decoders)}
    return {name: getattr(parts, name) for name in NAMES} | decoders


def _optimizers(parts):
    """Plain gradient descent: Adam would turn a rounding error of a vanishing gradient into a whole step."""
    networks = (parts.generator, parts.inverse_generator, *parts.seg_decoders)
    generators = [parameter for network in networks for parameter in network.parameters()]
    discriminators = [*parts.discriminator.parameters(), *parts.source_discriminator.parameters()]
    return AdversarialOptimizers(torch.optim.SGD(generators, lr=0.0005), torch.optim.SGD(discriminators, lr=0.01))


def _pools():
    """So small that from the second step on old translations are shown, some of the other style."""
    return CycleGanPools(ImagePool(size=3), ImagePool(size=3))


def _trainer(parts, batches=BATCHES[:1], **choices):
    trainer = CycleGanTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=batches,
        networks=parts,
        optimizers=_optimizers(parts),
        **{"pools": _pools()} | choices,
    )
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda e: torch.manual_seed(SEED + e.state.iteration))
    return trainer


def _run(trainer):
    with torch.random.fork_rng():
        trainer.run()
    return trainer.state.output


def _least_squares(scores, truth):
    return F.mse_loss(scores, torch.full_like(scores, truth))


def _descend(loss, optimizer):
    parameters = optimizer.param_groups[0]["params"]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


def _reference_step(parts, optimizers, pools, weights, batch):
    """The update written out, one slice set and one direction after the other. Returns the losses by name."""
    x, y, style = batch["image"][:, :1], batch["target_domain"][:, :1], batch["style"]
    forward, inverse = parts.generator, parts.inverse_generator

    def judge(images, styles):
        scores = nn.Sequential.forward(parts.discriminator, images)  # a map for each style
        return torch.stack([scores[n, s] for n, s in enumerate(styles.tolist())])

    fake_y, fake_x = forward(x), inverse(y)
    terms = {
        "loss_adversarial": _least_squares(judge(fake_y, style), 1.0)
        + _least_squares(parts.source_discriminator(fake_x), 1.0),
        "loss_cycle": (inverse(fake_y) - x).abs().mean() + (forward(fake_x) - y).abs().mean(),
        "loss_identity": (forward(y) - y).abs().mean() + (inverse(x) - x).abs().mean(),
    }
    terms = {name: getattr(weights, name.removeprefix("loss_")) * term for name, term in terms.items()}
    if parts.seg_decoders:
        truth = batch["image"][:, 1].long()
        in_source = parts.seg_decoders[0](forward.encode(x))
        in_translation = parts.seg_decoders[1](inverse.encode(fake_y))
        entropies = [F.cross_entropy(logits, truth, CLASS_WEIGHTS) for logits in (in_source, in_translation)]
        terms["loss_segmentation"] = weights.segmentation * sum(entropies)
    total = sum(terms.values())
    _descend(total, optimizers.generators)

    old_y, old_style = pools.discriminator.exchange(fake_y, style)
    old_x, _ = pools.source_discriminator.exchange(fake_x, style)
    loss = (_least_squares(judge(y, style), 1.0) + _least_squares(judge(old_y, old_style), 0.0)) / 2
    real, fake = parts.source_discriminator(x), parts.source_discriminator(old_x)
    loss = loss + (_least_squares(real, 1.0) + _least_squares(fake, 0.0)) / 2
    _descend(loss, optimizers.discriminators)
    return {name: term.item() for name, term in terms.items()} | {
        "loss": total.item(),
        "loss_discriminator": loss.item(),
    }


def _weights(parts):
    return {f"{part}.{k}": v for part, network in _all(parts).items() for k, v in network.state_dict().items()}


@pytest.mark.parametrize("weights", [CycleGanWeights(), CycleGanWeights(0.5, 2.0, 3.0, 4.0)], ids=["paper", "other"])
@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("seg_decoders", [False, True], ids=["plain", "with SegDecoders"])
def test_steps_equal_the_update_written_out(weights, steps, seg_decoders):
    parts = _networks(seg_decoders)
    reference = copy.deepcopy(parts)
    output = _run(_trainer(parts, BATCHES[:steps], weights=weights))
    optimizers, pools = _optimizers(reference), _pools()
    with torch.random.fork_rng():
        for number, batch in enumerate(BATCHES[:steps], start=1):
            torch.manual_seed(SEED + number)
            expected = _reference_step(reference, optimizers, pools, weights, batch)
    assert {name: float(output[name]) for name in expected} == pytest.approx(expected, rel=1e-4)
    assert_moved_alike(_weights(parts), _weights(reference), _weights(_networks(seg_decoders)))


def test_weights_of_the_paper_are_the_default():
    assert astuple(CycleGanWeights())[:3] == (1.0, 10.0, 5.0)
    assert _trainer(_networks(), pools=None).pools.discriminator.size == 50


def test_generators_are_updated_before_the_discriminators():
    parts, changed = _networks(), []
    before = copy.deepcopy(parts)
    trainer = _trainer(parts)

    @trainer.on(IterationEvents.BACKWARD_COMPLETED)
    def look():
        pairs = [(getattr(parts, name), getattr(before, name)) for name in NAMES]
        changed.extend(not torch.equal(next(new.parameters()), next(old.parameters())) for new, old in pairs)

    _run(trainer)
    assert changed == [True, True, False, False]
    assert not torch.equal(
        next(parts.source_discriminator.parameters()), next(before.source_discriminator.parameters())
    )


def test_discriminators_do_not_learn_from_the_loss_of_the_generators():
    parts, gradients = _networks(), []
    discriminators = [*parts.discriminator.parameters(), *parts.source_discriminator.parameters()]
    trainer = _trainer(parts)
    trainer.add_event_handler(
        IterationEvents.BACKWARD_COMPLETED, lambda: gradients.extend(p.grad for p in discriminators)
    )
    _run(trainer)
    assert gradients == [None] * len(discriminators)
    assert all(p.requires_grad and p.grad is not None for p in discriminators)


def test_a_step_takes_two_passes_of_each_generator_and_each_discriminator():
    parts, calls = _networks(), {name: [] for name in NAMES}
    heads = {"generator": parts.generator.layers[-1], "inverse_generator": parts.inverse_generator.layers[-1]}
    for name, seen in calls.items():
        module = heads.get(name, getattr(parts, name))
        module.register_forward_hook(lambda m, x, y, seen=seen: seen.append(len(y)))
    _run(_trainer(parts))
    assert calls == {name: [4, 2] for name in NAMES[:2]} | {name: [2, 4] for name in NAMES[2:]}


def _unlabelled(batch):
    return batch | {"image": torch.cat([batch["image"][:, :1], torch.zeros_like(batch["image"][:, 1:])], dim=1)}


def test_without_seg_decoders_labels_are_never_looked_at():
    parts, unlabelled = _networks(), _networks()
    _run(_trainer(parts))
    _run(_trainer(unlabelled, [_unlabelled(BATCHES[0])]))
    torch.testing.assert_close(_weights(parts), _weights(unlabelled), rtol=0, atol=0)


def test_the_seg_decoders_teach_both_generators_where_the_structures_are():
    gradients = []
    for batch in (BATCHES[0], _unlabelled(BATCHES[0])):
        parts = _networks(seg_decoders=True)
        trainer = _trainer(parts, [batch], weights=CycleGanWeights(0.0, 0.0, 0.0, 1.0))
        _run(trainer)
        gradients.append([parts.generator.layers[-2].weight.grad, parts.inverse_generator.layers[0].weight.grad])
    for labelled, unlabelled in zip(*gradients, strict=True):  # the head of one: the translation has to show them
        assert labelled.abs().max() > 0
        assert not torch.allclose(labelled, unlabelled)


def test_a_region_without_a_weight_is_refused():
    with pytest.raises(InputError, match="has no weight"):
        _trainer(_networks(seg_decoders=True), weights=CycleGanWeights(classes={"others": 0.1, "own": 1.0}))


def test_output_holds_the_losses_the_slices_and_their_translation():
    parts = _networks()
    with torch.no_grad():
        expected = parts.generator(BATCHES[0]["image"])
    output = _run(_trainer(parts))
    assert set(output) == {Keys.IMAGE, Keys.PRED, Keys.LOSS, "loss_discriminator", *(f"loss_{t}" for t in TERMS)}
    assert torch.equal(output[Keys.IMAGE], BATCHES[0]["image"])
    torch.testing.assert_close(output[Keys.PRED], expected, rtol=0, atol=1e-6)
    assert not output[Keys.PRED].requires_grad
    assert float(output[Keys.LOSS]) == pytest.approx(sum(output[f"loss_{t}"] for t in TERMS), rel=1e-6)


def test_it_is_a_supervised_trainer_of_the_generator_and_fires_its_events():
    parts = _networks()
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
    exact, rounded = (_run(_trainer(_networks(), amp=amp)) for amp in (False, True))
    names = [name for name in exact if name.startswith("loss")]
    assert [float(rounded[n]) for n in names] == pytest.approx([float(exact[n]) for n in names], rel=0.15, abs=0.02)


def _held(pools):
    """What the pools hold."""
    return {f"{name}.{key}": value for name, pool in vars(pools).items() for key, value in pool.state_dict().items()}


def _train_as_rank(rank: int, folder: Path) -> None:
    """One of two processes; of every batch of 2 it has the slice of its own number."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    trainer = _trainer(_networks(), [{key: value[rank::2] for key, value in batch.items()} for batch in BATCHES])
    trainer.run()
    torch.save((_weights(trainer.networks), _held(trainer.pools)), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_with_half_the_batch_each_do_what_one_process_does(tmp_path):
    alone = _trainer(_networks(), BATCHES)
    _run(alone)
    assert processes.end(*(processes.start(_train_as_rank, rank, tmp_path) for rank in (0, 1))) == [0, 0]
    (first, held), *second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert_moved_alike(first, _weights(alone.networks), _weights(_networks()))
    torch.testing.assert_close(held, _held(alone.pools), rtol=0, atol=1e-4)  # translations, in [-1, 1]
    torch.testing.assert_close([(first, held)], second, rtol=0, atol=0)
