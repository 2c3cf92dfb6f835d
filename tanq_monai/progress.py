"""A progress bar of a whole training."""

import logging

from ignite.engine import Engine, Events
from tqdm import tqdm


class ProgressHandler:
    """One bar over all iterations of the run; in a training with the loss of the last one.

    Args:
        task: stands before the bar.
    """

    def __init__(self, task: str = "train") -> None:
        self.task = task

    def attach(self, engine: Engine) -> None:
        """Listen to ``engine``."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, self._finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _start(self, engine: Engine) -> None:
        engine.logger.addFilter(_is_news)
        state = engine.state
        total = state.max_epochs * state.epoch_length
        self.bar = tqdm(total=total, initial=state.iteration, desc=self.task, mininterval=1)

    def _advance(self, engine: Engine) -> None:
        self.bar.update()
        if isinstance(engine.state.output, dict) and "loss" in engine.state.output:
            loss = engine.state.output["loss"].item()
            self.bar.set_postfix(epoch=engine.state.epoch, loss=f"{loss:.3f}", refresh=False)

    def _finish(self) -> None:
        self.bar.close()

    def _fail(self, error: Exception) -> None:
        self.bar.close()
        raise error


def _is_news(record: logging.LogRecord) -> bool:
    """Not what Ignite says of every exception, which is told in the end."""
    return "terminating due to exception" not in record.getMessage()
