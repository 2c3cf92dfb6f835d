import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys as Keys
from tiny import InMemory, slices

from tanq_monai.data.slices import UnpairedSlices
from tanq_monai.trainers.handlers import EpochSeed, History, losses_of


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


def test_every_epoch_has_its_own_seed_whatever_came_before():
    dataset = UnpairedSlices(
        InMemory(slices(3, 1, labelled=True)), InMemory(slices(9, 2, labelled=False)), crop=16, seed=5
    )
    drawn = {}

    def run(name, first_epoch):
        engine = Engine(lambda engine, batch: None)
        engine.state.max_epochs, engine.state.epoch_length = 3, 1
        EpochSeed(dataset, seed=5).attach(engine)
        engine.state.epoch = first_epoch - 1
        engine.add_event_handler(Events.ITERATION_STARTED, lambda e: drawn.update({(name, e.state.epoch): _draw()}))
        engine.run([0])

    def _draw():
        return torch.rand(2).tolist(), dataset[0]["image"].sum().item()

    with torch.random.fork_rng():
        run("whole", 1)
        torch.rand(100)
        run("resumed", 3)
    assert ("resumed", 2) not in drawn
    assert drawn["whole", 3] == drawn["resumed", 3]
    assert drawn["whole", 2] != drawn["whole", 3]


def test_different_seeds_draw_differently():
    dataset = UnpairedSlices(InMemory(slices(3, 1, labelled=True)), InMemory(slices(9, 2, labelled=False)), crop=16)
    engine, numbers = Engine(lambda engine, batch: None), []
    engine.state.epoch = 1
    with torch.random.fork_rng():
        for seed in (0, 1):
            EpochSeed(dataset, seed)(engine)
            numbers.append(torch.rand(1).item())
    assert numbers[0] != numbers[1]
