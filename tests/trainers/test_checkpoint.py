import resource

import pandas as pd
import pytest
import torch
from ignite.engine import Engine, Events
from tiny import trainer_that_resumes

from tanq_monai.errors import InputError
from tanq_monai.trainers.checkpoint import FinalModel, save_atomically


class Interruption(Exception):
    """Somebody presses Ctrl-C."""


class InterruptAt:
    """Stops at an iteration, counted from the start of training."""

    def __init__(self, iteration):
        self.iteration = iteration

    def attach(self, engine):
        engine.add_event_handler(Events.ITERATION_STARTED(once=self.iteration), self._stop)

    def _stop(self, engine):
        raise Interruption


def _weights(trainer):
    networks = trainer.networks
    parts = {"g": networks.generator, "d": networks.discriminator, "p": networks.projector}
    return {f"{part}.{name}": value for part, network in parts.items() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder with four epochs of two steps in one go, and the trainer."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    trainer = trainer_that_resumes(folder, max_epochs=4)
    trainer.run()
    return folder, trainer


@pytest.mark.parametrize("minutes", [10.0, 0.0], ids=["saved after epochs", "saved after every step"])
@pytest.mark.parametrize("iteration", [3, 6, 8])
def test_an_interrupted_run_that_goes_on_ends_with_the_same_bits(tmp_path, uninterrupted, iteration, minutes):
    folder, expected = uninterrupted
    with pytest.raises(Interruption):
        trainer_that_resumes(tmp_path, max_epochs=4, extra_handlers=(InterruptAt(iteration),), minutes=minutes).run()
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"]
    assert saved == (iteration - 1 if minutes == 0 else (iteration - 1) // 2 * 2)
    assert not (tmp_path / "model.pt").exists()
    resumed = trainer_that_resumes(tmp_path, max_epochs=4)
    resumed.run()
    assert resumed.state.epoch == 4
    assert resumed.state.iteration == 8
    for name, value in _weights(expected).items():
        assert torch.equal(_weights(resumed)[name], value), name
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.read_csv(folder / "history.csv"))


class InterruptAfterEpoch(InterruptAt):
    """Stops when an epoch's last step is done, before anything is written of it."""

    def attach(self, engine):
        engine.add_event_handler(Events.EPOCH_COMPLETED(once=self.iteration // 2), self._stop)


def test_a_run_stopped_between_the_last_step_of_an_epoch_and_its_rows_repeats_that_step(tmp_path, uninterrupted):
    folder, _ = uninterrupted
    with pytest.raises(Interruption):
        trainer_that_resumes(tmp_path, max_epochs=4, extra_handlers=(InterruptAfterEpoch(4),), minutes=0).run()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["iteration"] == 3
    trainer_that_resumes(tmp_path, max_epochs=4).run()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "history.csv"), pd.read_csv(folder / "history.csv"))


def test_training_changes_every_network(tmp_path, uninterrupted):
    untrained = _weights(trainer_that_resumes(tmp_path, max_epochs=1))
    for name, value in _weights(uninterrupted[1]).items():
        assert not torch.equal(untrained[name], value), name


def test_a_finished_run_is_not_trained_again(tmp_path, uninterrupted):
    (tmp_path / "checkpoint.pt").write_bytes((uninterrupted[0] / "checkpoint.pt").read_bytes())
    trainer, steps = trainer_that_resumes(tmp_path, max_epochs=4), []
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda: steps.append(1))
    trainer.run()
    assert steps == []
    expected = torch.load(uninterrupted[0] / "model.pt", weights_only=True)
    for name, value in torch.load(tmp_path / "model.pt", weights_only=True).items():
        assert torch.equal(value, expected[name]), name


def test_final_model_is_the_plain_state_dict_of_the_generator(uninterrupted):
    folder, trainer = uninterrupted
    model = torch.load(folder / "model.pt", weights_only=True)
    assert model.keys() == trainer.network.state_dict().keys()
    assert all(torch.equal(model[name], value) for name, value in trainer.network.state_dict().items())


def test_checkpoint_holds_the_step_and_nothing_is_left_beside_it(uninterrupted):
    folder, _ = uninterrupted
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["iteration"] == 8
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.pt", "history.csv", "model.json", "model.pt"]


def test_a_checkpoint_that_does_not_fit_on_the_disk_leaves_the_old_one(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_atomically({"a": torch.ones(1)}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # no file may grow further: as on a full disk
    try:
        with pytest.raises(InputError, match=r"checkpoint.pt: cannot be written \(.+\); make room and start again"):
            save_atomically({"a": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert torch.load(path, weights_only=True) == {"a": torch.ones(1)}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no checkpoint", "is no checkpoint; remove it, training then starts anew"),
        ({"generator": {}}, "does not fit these networks; give the choices it was begun with"),
        ({"iteration": 2, "epoch_length": 5}, "has epochs of 5 steps, this run of 2; give the choices"),
        ({"generator": {"w": torch.full((2,), torch.nan)}}, "holds w with NaN or infinity: its training failed"),
        ({"generator": [1]}, "does not fit these networks"),
        ({"choices": {"seed": "4"}}, "was begun with another choice of seed; give the choices it was begun with"),
    ],
    ids=["damaged", "other networks", "other data", "weights of NaN", "no weights", "another choice"],
)
def test_a_checkpoint_that_does_not_fit_is_told(tmp_path, uninterrupted, content, message):
    path = tmp_path / "checkpoint.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(torch.load(uninterrupted[0] / "checkpoint.pt", weights_only=True) | content, path)
    trainer = trainer_that_resumes(tmp_path, max_epochs=4)
    with pytest.raises(InputError, match=message):
        trainer.run()


def test_weights_that_could_not_be_written_are_told_before_the_training(tmp_path):
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(InputError, match=r"model\.pt: is a folder; give the name of a file"):
        FinalModel(tmp_path / "model.pt", torch.nn.Identity(), {}).attach(Engine(lambda engine, batch: None))
