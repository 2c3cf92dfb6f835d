"""The progress bar of a training."""

import pytest
import torch
from ignite.engine import Engine, Events

from tanq_monai.progress import ProgressHandler


def _engine(output=None):
    engine = Engine(lambda engine, batch: output)
    engine.state.max_epochs, engine.state.epoch_length = 3, 2
    return engine


def test_the_bar_of_a_resumed_run_starts_at_the_iterations_that_are_done():
    engine, handler, at_start = _engine(), ProgressHandler(), []
    engine.state.epoch, engine.state.iteration = 2, 4
    handler.attach(engine)
    engine.add_event_handler(Events.EPOCH_STARTED, lambda: at_start.append((handler.bar.n, handler.bar.total)))
    engine.run([0, 0])
    assert at_start == [(4, 6)]
    assert handler.bar.n == 6


def test_a_new_run_counts_all_its_iterations_and_shows_epoch_and_loss():
    engine, handler = _engine({"loss": torch.tensor(0.1254)}), ProgressHandler(task="train the segmenter")
    handler.attach(engine)
    engine.run([0, 0])
    assert (handler.bar.initial, handler.bar.n, handler.bar.total) == (0, 6, 6)
    assert handler.bar.desc.startswith("train the segmenter")
    assert "epoch=3, loss=0.125" in handler.bar.postfix


def test_an_error_ends_the_bar_and_is_not_swallowed():
    def fail(engine, batch):
        raise ValueError("no good batch")

    engine, handler = Engine(fail), ProgressHandler()
    handler.attach(engine)
    with pytest.raises(ValueError, match="no good batch"):
        engine.run([0, 0], max_epochs=3)
    assert handler.bar.disable


def test_ignite_says_nothing_of_an_error_that_is_told_in_the_end(caplog):
    def fail(engine, batch):
        raise KeyboardInterrupt

    engine, handler = Engine(fail), ProgressHandler()
    handler.attach(engine)
    with caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
        engine.run([0])
    assert "terminating" not in caplog.text
