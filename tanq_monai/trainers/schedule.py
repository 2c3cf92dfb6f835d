"""Learning rate over the epochs."""

from collections.abc import Sequence

from ignite.engine import Engine, Events
from torch.optim import Optimizer


def constant_then_linear(epoch: int, max_epochs: int) -> float:
    """Factor of the learning rate in ``epoch``, counted from 1: 1 in the first half, then linear towards 0.

    ``1 - max(0, e - n) / (n + 1)`` with ``n`` half of the epochs, as in CycleGAN, CUT and TANQ.
    """
    constant = max_epochs // 2
    return 1.0 - max(0, epoch - constant) / (max_epochs - constant + 1)


class LearningRate:
    """Sets the learning rate of every epoch from its number alone, so that a resumed run needs no state of a schedule.

    Args:
        optimizers: all of them have the same rate.
        learning_rate: of the first half of the epochs.
    """

    def __init__(self, optimizers: Sequence[Optimizer], learning_rate: float) -> None:
        self.optimizers, self.learning_rate = optimizers, learning_rate

    def attach(self, engine: Engine) -> None:
        """Call before every epoch of ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Set the rate of the epoch that starts."""
        rate = self.learning_rate * constant_then_linear(engine.state.epoch, engine.state.max_epochs)
        engine.state.learning_rate = rate  # for handlers that log it
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
