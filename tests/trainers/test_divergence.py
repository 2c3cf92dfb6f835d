"""Trainings that diverge: they end in one line, and what was good stays."""

import processes
import pytest
import test_cyclegan_trainer as cyclegan
import torch
from ignite.engine import Engine, Events, State
from tiny import networks, slices, trainer_that_resumes
from torch import distributed as dist
from typed import mistakes, run_bundle

from tanq_monai.divergence import finite_losses
from tanq_monai.errors import InputError
from tanq_monai.trainers.checkpoint import FinalModel
from tanq_monai.trainers.tanq import TanqOptimizers, TanqTrainer

PARTS = ("generator", "discriminator", "projector")


class At:
    """Does something to the trainer once, at an event of an iteration."""

    def __init__(self, event, do):
        self.event, self.do = event, do

    def attach(self, engine):
        engine.add_event_handler(self.event, self.do)


def leap(trainer):
    """Steps so long that the next loss is no number."""
    for optimizer in vars(trainer.optimizers).values():
        optimizer.param_groups[0]["lr"] = 1e30


def spoil(trainer):
    """What a gradient of NaN does at a finite loss."""
    next(trainer.networks.projector.parameters()).data.fill_(torch.nan)


def weights_in(path):
    saved = torch.load(path, weights_only=True)
    return {(part, name): value for part in PARTS for name, value in saved[part].items()}


def test_a_training_ends_at_the_first_loss_that_is_no_number_and_goes_on_from_its_last_checkpoint(tmp_path):
    longer = At(Events.ITERATION_STARTED(once=5), leap)
    told = r"^loss_\w+: is (nan|inf) in epoch 3, iteration 5; start again, from the last .* lower learning_rate"
    with pytest.raises(InputError, match=told):
        trainer_that_resumes(tmp_path, 4, (longer,)).run()
    assert not (tmp_path / "model.pt").exists()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 4
    assert all(value.isfinite().all() for value in weights_in(tmp_path / "checkpoint.pt").values())
    trainer_that_resumes(tmp_path, 4).run()
    trainer_that_resumes(tmp_path / "undisturbed", 4).run()
    expected = weights_in(tmp_path / "undisturbed" / "checkpoint.pt")
    for name, value in weights_in(tmp_path / "checkpoint.pt").items():
        assert torch.equal(value, expected[name]), name


def test_weights_of_nan_behind_a_finite_loss_are_not_written(tmp_path):
    told = r"checkpoint\.pt: is not written: the training has led to NaN or infinity in .+; start again"
    with pytest.raises(InputError, match=told):
        trainer_that_resumes(tmp_path, 4, (At(Events.ITERATION_COMPLETED(once=8), spoil),)).run()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 6
    assert not (tmp_path / "model.pt").exists()


@pytest.mark.parametrize("spoilt", ["network", "beside"])
def test_no_part_of_a_model_of_nan_is_written(tmp_path, spoilt):
    parts = {name: torch.nn.Linear(1, 1) for name in ("network", "beside")}
    parts[spoilt].bias.data.fill_(torch.inf)
    engine = Engine(lambda engine, batch: None)
    FinalModel(tmp_path / "model.pt", parts["network"], {}, {"beside.pt": parts["beside"]}).attach(engine)
    with pytest.raises(InputError, match=r"model\.pt: is not written: .* in bias; start again"):
        engine.run([0])
    assert list(tmp_path.iterdir()) == []


def batches(of_source, of_target):
    source, target = slices(2, 1, labelled=True), slices(2, 2, labelled=False)
    source[:, :1] += of_source
    target[:, :1] += of_target
    return {"image": source, "target_domain": target, "style": torch.zeros(2, dtype=torch.long)}


def tanq(batch):
    parts = networks()
    optimizers = [torch.optim.SGD(getattr(parts, name).parameters(), lr=1.0) for name in PARTS]
    return TanqTrainer("cpu", 1, [batch], parts, TanqOptimizers(*optimizers))


def cycles(batch):
    return cyclegan._trainer(cyclegan._networks(), [batch])


@pytest.mark.parametrize(
    ("trainer", "of_source", "of_target", "told"),
    [
        (tanq, 0.0, torch.nan, "loss_discriminator: is nan"),
        (cycles, torch.nan, 0.0, "loss_adversarial: is nan"),
    ],
)
def test_every_translator_tells_the_loss_and_leaves_its_weights_as_they_were(trainer, of_source, of_target, told):
    diverging = trainer(batches(of_source, of_target))
    before = {name: value.clone() for name, value in diverging.network.state_dict().items()}
    with pytest.raises(InputError, match=f"^{told} in epoch 1, iteration 1; "):
        diverging.run()
    assert all(torch.equal(value, before[name]) for name, value in diverging.network.state_dict().items())


def lose_as_rank(rank, place, folder):
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    losses = {"loss_a": torch.tensor(1.0), "loss_b": torch.tensor([1.0, torch.nan][rank])}
    try:
        finite_losses(losses, State())
    except InputError as error:
        (folder / str(rank)).write_text(error.where)


@pytest.mark.slow
def test_all_ranks_end_where_one_has_lost_its_loss(tmp_path):
    """Else the others would wait for it for ever, or end in a traceback."""
    ranks = [processes.start(lose_as_rank, rank, tmp_path / "meeting", tmp_path) for rank in (0, 1)]
    assert processes.end(*ranks) == [0, 0]
    assert [(tmp_path / str(rank)).read_text() for rank in (0, 1)] == ["loss_b", "loss_b"]


@pytest.mark.slow
def test_a_translators_training_that_is_typed_ends_with_one_line_and_without_a_model(tiny_phantom, tmp_path):
    choices = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "start_from": None, "crop": 32}
    choices |= {"slab_mm": 12.0, "max_epochs": 1, "batch_size": 2, "device": "cpu", "amp": False}
    choices |= {"dataset_dir": tiny_phantom, "output_dir": tmp_path, "weights#contrastive": 1e39}
    (told,) = mistakes(run_bundle("tanq_translation", "train", **choices))
    assert told.startswith("error: loss_contrastive: is inf in epoch 1, iteration 1; start again, from the last")
    assert not list(tmp_path.rglob("*.pt"))
