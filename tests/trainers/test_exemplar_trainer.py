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
from tanq_monai.networks import ExemplarGenerator, PatchDiscriminator, StyleEncoder
from tanq_monai.trainers.base import AdversarialOptimizers
from tanq_monai.trainers.exemplar import ExemplarNetworks, ExemplarTrainer, ExemplarWeights

STEPS, BATCH = 3, 2
BATCHES = [
    {
        "image": slices(BATCH, 10 + step, labelled=True),
        "target_domain": slices(BATCH, 20 + step, labelled=False),
        "style": torch.tensor([step % 2, 1]),
    }
    for step in range(STEPS)
]
NAMES = [field.name for field in fields(ExemplarNetworks)]
TERMS = [field.name for field in fields(ExemplarWeights)]
ONLY = {term: ExemplarWeights(**{name: float(name == term) for name in TERMS}) for term in TERMS}


def _networks():
    """Of width 4, with weights large enough for every loss to have a gradient; hrT2 has two styles by name."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = ExemplarNetworks(
            ExemplarGenerator(width=4, blocks=1),
            StyleEncoder(width=4),
            PatchDiscriminator(width=4, antialiased=False, num_styles=2),
            PatchDiscriminator(width=4, antialiased=False),
        )
        for network in vars(parts).values():
            for parameter in network.parameters():
                parameter.data += 0.2 * torch.randn(parameter.shape)
    return parts


def _optimizers(parts):
    """Plain gradient descent: Adam would turn a rounding error of a vanishing gradient into a whole step."""
    generators = [*parts.generator.parameters(), *parts.source_style.parameters()]
    discriminators = [*parts.discriminator.parameters(), *parts.source_discriminator.parameters()]
    return AdversarialOptimizers(torch.optim.SGD(generators, lr=0.0005), torch.optim.SGD(discriminators, lr=0.01))


def _trainer(parts, batches=BATCHES[:1], **choices):
    return ExemplarTrainer("cpu", 1, batches, parts, _optimizers(parts), **choices)


def _run(trainer):
    trainer.run()
    return trainer.state.output


def _least_squares(scores, truth):
    return F.mse_loss(scores, torch.full_like(scores, truth))


def _far(one, other):
    return (one - other).abs().mean()


def _descend(loss, optimizer):
    parameters = optimizer.param_groups[0]["params"]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


def _reference_step(parts, optimizers, weights, batch):
    """The update written out, one slice set and one direction after the other. Returns the losses by name."""
    x, y, style = batch["image"][:, :1], batch["target_domain"][:, :1], batch["style"]
    content, decode = parts.generator.encode, parts.generator.decode
    look_of_x, look_of_y = parts.source_style, parts.generator.style

    def judge(images):
        scores = nn.Sequential.forward(parts.discriminator, images)  # a map for each style
        return torch.stack([scores[n, s] for n, s in enumerate(style.tolist())])

    fake_y, fake_x = decode(content(x), look_of_y(y)), decode(content(y), look_of_x(x))
    terms = {
        "adversarial": _least_squares(judge(fake_y), 1.0) + _least_squares(parts.source_discriminator(fake_x), 1.0),
        "reconstruction": _far(decode(content(x), look_of_x(x)), x) + _far(decode(content(y), look_of_y(y)), y),
        "cycle": _far(decode(content(fake_y), look_of_x(x)), x) + _far(decode(content(fake_x), look_of_y(y)), y),
        "content": _far(content(fake_y), content(x).detach()) + _far(content(fake_x), content(y).detach()),
        "style": _far(look_of_y(fake_y), look_of_y(y).detach()) + _far(look_of_x(fake_x), look_of_x(x).detach()),
    }
    terms = {name: getattr(weights, name) * term for name, term in terms.items()}
    total = sum(terms.values())
    parts.generator.looks += 0.1 * (look_of_y(y).mean(dim=0).detach() - parts.generator.looks)
    _descend(total, optimizers.generators)

    fake_y, fake_x = fake_y.detach(), fake_x.detach()
    loss = (_least_squares(judge(y), 1.0) + _least_squares(judge(fake_y), 0.0)) / 2
    real, fake = parts.source_discriminator(x), parts.source_discriminator(fake_x)
    loss = loss + (_least_squares(real, 1.0) + _least_squares(fake, 0.0)) / 2
    _descend(loss, optimizers.discriminators)
    return {f"loss_{name}": term.item() for name, term in terms.items()} | {
        "loss": total.item(),
        "loss_discriminator": loss.item(),
    }


def _weights(parts):
    return {f"{part}.{k}": v for part, network in vars(parts).items() for k, v in network.state_dict().items()}


@pytest.mark.parametrize("weights", [ExemplarWeights(), ExemplarWeights(5.0, 2.0, 3.0, 4.0, 6.0)], ids=["paper", "own"])
@pytest.mark.parametrize("steps", [1, STEPS])
def test_steps_equal_the_update_written_out(weights, steps):
    parts = _networks()
    reference = copy.deepcopy(parts)
    output = _run(_trainer(parts, BATCHES[:steps], weights=weights))
    optimizers = _optimizers(reference)
    for batch in BATCHES[:steps]:
        expected = _reference_step(reference, optimizers, weights, batch)
    assert {name: float(output[name]) for name in expected} == pytest.approx(expected, rel=1e-4)
    assert_moved_alike(_weights(parts), _weights(reference), _weights(_networks()))


def test_weights_of_the_paper_are_the_default():
    assert astuple(ExemplarWeights()) == (1.0, 10.0, 10.0, 1.0, 1.0)


def test_a_weight_below_zero_is_refused():
    with pytest.raises(InputError, match=r"style -1.0: is not a number, 0 or more"):
        ExemplarWeights(style=-1.0)


def _changed(before, after):
    """Parts of the generator, and other networks, of which some weight has changed."""
    parts = {f"generator.{name}": part for name, part in after.generator.named_children()}
    olds = {f"generator.{name}": part for name, part in before.generator.named_children()}
    for name in NAMES[1:]:
        parts[name], olds[name] = getattr(after, name), getattr(before, name)
    pairs = {n: zip(part.parameters(), olds[n].parameters(), strict=True) for n, part in parts.items()}
    return {name for name, both in pairs.items() if any(not torch.equal(a, b) for a, b in both)}


def test_encoders_and_decoder_are_updated_before_the_discriminators_and_in_the_end_all_are():
    parts, seen = _networks(), []
    before = copy.deepcopy(parts)
    trainer = _trainer(parts)
    trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda: seen.append(_changed(before, parts)))
    _run(trainer)
    everything = {f"generator.{name}" for name, _ in parts.generator.named_children()} | set(NAMES[1:])
    assert seen == [everything - {"discriminator", "source_discriminator"}]
    assert _changed(before, parts) == everything


@pytest.mark.parametrize("term", TERMS)
def test_every_term_alone_teaches_encoders_and_decoder(term):
    parts = _networks()
    before = copy.deepcopy(parts)
    trainer = _trainer(parts, weights=ONLY[term])
    seen = []
    trainer.add_event_handler(IterationEvents.BACKWARD_COMPLETED, lambda: seen.append(_changed(before, parts)))
    _run(trainer)
    everything = {f"generator.{name}" for name, _ in parts.generator.named_children()} | {"source_style"}
    assert seen == [everything]


def test_discriminators_do_not_learn_from_the_loss_of_the_generator():
    parts, gradients = _networks(), []
    discriminators = [*parts.discriminator.parameters(), *parts.source_discriminator.parameters()]
    trainer = _trainer(parts)
    trainer.add_event_handler(
        IterationEvents.BACKWARD_COMPLETED, lambda: gradients.extend(p.grad for p in discriminators)
    )
    _run(trainer)
    assert gradients == [None] * len(discriminators)
    assert all(p.requires_grad and p.grad is not None for p in discriminators)


def test_labels_are_never_looked_at():
    parts, unlabelled, batch = _networks(), _networks(), dict(BATCHES[0])
    batch["image"] = torch.cat([batch["image"][:, :1], torch.zeros_like(batch["image"][:, 1:])], dim=1)
    _run(_trainer(parts))
    _run(_trainer(unlabelled, [batch]))
    torch.testing.assert_close(_weights(parts), _weights(unlabelled), rtol=0, atol=0)


def test_output_holds_the_losses_the_slices_and_their_translation_to_the_look_of_their_exemplars():
    parts, batch = _networks(), BATCHES[0]
    with torch.no_grad():
        looks = parts.generator.style(batch["target_domain"][:, :1])
        expected = parts.generator.decode(parts.generator.encode(batch["image"]), looks)
    output = _run(_trainer(parts))
    assert set(output) == {Keys.IMAGE, Keys.PRED, Keys.LOSS, "loss_discriminator", *(f"loss_{t}" for t in TERMS)}
    assert torch.equal(output[Keys.IMAGE], batch["image"])
    torch.testing.assert_close(output[Keys.PRED], expected, rtol=0, atol=1e-5)
    assert not output[Keys.PRED].requires_grad
    assert float(output[Keys.LOSS]) == pytest.approx(sum(output[f"loss_{t}"] for t in TERMS), rel=1e-6)


def test_it_is_a_supervised_trainer_of_the_generator_and_fires_its_events():
    parts = _networks()
    trainer, fired = _trainer(parts), []
    assert isinstance(trainer, SupervisedTrainer)
    assert trainer.network is parts.generator
    events = [IterationEvents.FORWARD_COMPLETED, IterationEvents.LOSS_COMPLETED]
    events += [IterationEvents.BACKWARD_COMPLETED, IterationEvents.MODEL_COMPLETED]
    for event in [Events.ITERATION_STARTED, *events]:
        trainer.add_event_handler(event, lambda engine, e=event: fired.append(e))
    _run(trainer)
    assert fired == [Events.ITERATION_STARTED, *events]


def test_autocast_to_bfloat16_stays_near_the_exact_losses():
    exact, rounded = (_run(_trainer(_networks(), amp=amp)) for amp in (False, True))
    names = [name for name in exact if name.startswith("loss")]
    assert [float(rounded[n]) for n in names] == pytest.approx([float(exact[n]) for n in names], rel=0.15, abs=0.02)


def _train_as_rank(rank: int, folder: Path) -> None:
    """One of two processes; of every batch of 2 it has the slice of its own number."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    trainer = _trainer(_networks(), [{key: value[rank::2] for key, value in batch.items()} for batch in BATCHES])
    trainer.run()
    torch.save(_weights(trainer.networks), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_with_half_the_batch_each_do_what_one_process_does(tmp_path):
    alone = _trainer(_networks(), BATCHES)
    _run(alone)
    assert processes.end(*(processes.start(_train_as_rank, rank, tmp_path) for rank in (0, 1))) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert_moved_alike(first, _weights(alone.networks), _weights(_networks()))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
