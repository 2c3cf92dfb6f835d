import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys as Keys

from tanq_monai.trainers.handlers import History, SeededSteps, losses_of
from tanq_monai.translation.batches import Batches


def _engine(outputs):
    """An engine whose iterations put out what is given, in turn."""
    outputs = iter(outputs)
    return Engine(lambda engine, batch: next(outputs))


def _output(loss, level):
    """Four pixels, two of them VS at ``level`` in [-1, 1]."""
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    image = torch.where(labels == 1, torch.tensor(level), torch.tensor(-1.0))
    return {Keys.IMAGE: torch.stack([image, labels])[None], Keys.PRED: image[None, None], Keys.LOSS: loss}


def test_history_has_the_mean_losses_and_levels_of_each_epoch(tmp_path):
    engine = _engine([_output(1.0, 0.0), _output(3.0, 0.5), _output(5.0, 1.0), _output(5.0, 1.0)])
    History(tmp_path / "run" / "history.csv").attach(engine)
    engine.run([0, 0], max_epochs=2)
    table = pd.read_csv(tmp_path / "run" / "history.csv")
    assert table.to_dict("list") == {"epoch": [1, 2], "loss": [2.0, 5.0], "level_VS": [0.625, 1.0]}


def test_history_replaces_the_epochs_that_are_repeated(tmp_path):
    for loss in (1.0, 2.0):
        engine = _engine([_output(loss, 0.0)] * 2)
        History(tmp_path / "history.csv").attach(engine)
        engine.run([0], max_epochs=2)
    assert pd.read_csv(tmp_path / "history.csv")["loss"].tolist() == [2.0, 2.0]
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_losses_are_told_by_their_names():
    output = {"image": 0, "pred": 0, "loss": 1.0, "loss_adversarial": 2.0}
    assert losses_of(output) == {"loss": 1.0, "loss_adversarial": 2.0}


def test_history_goes_on_with_the_values_of_an_epoch_that_was_interrupted(tmp_path):
    first, second = History(tmp_path / "history.csv"), History(tmp_path / "history.csv")
    engine = _engine([_output(1.0, 0.0), _output(3.0, 0.0)])
    first.attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED(once=2), engine.terminate)
    engine.run([0] * 3)
    second.load_state_dict(first.state_dict())
    engine = _engine([_output(8.0, 0.0)])
    second.attach(engine)
    engine.run([0])
    assert pd.read_csv(tmp_path / "history.csv")["loss"].tolist() == [4.0]


def _draws(seed, first_step=0):
    """What every step of two epochs of two draws: batch and a random number, by the step's number."""
    batches, drawn = Batches(range(4), batch_size=2), {}
    engine = Engine(lambda engine, batch: drawn.update({engine.state.iteration: (batch, torch.rand(1).item())}))
    engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "iteration", first_step))
    engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", first_step // 2))
    SeededSteps(batches, seed).attach(engine)
    with torch.random.fork_rng():
        engine.run(batches, max_epochs=2, epoch_length=2)
    return drawn


def test_every_step_draws_the_same_whatever_came_before():
    whole, resumed = _draws(seed=5), _draws(seed=5, first_step=1)
    assert sorted(whole) == [1, 2, 3, 4]
    assert resumed == {step: whole[step] for step in (2, 3, 4)}
    assert len({number for _, number in whole.values()}) == 4


def test_different_seeds_draw_differently():
    assert {step: number for step, (_, number) in _draws(0).items()} != {s: n for s, (_, n) in _draws(1).items()}
