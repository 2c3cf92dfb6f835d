"""Learning rate over the epochs."""


class ConstantThenLinear:
    """Factor of the learning rate: 1 in the first half of the epochs, then linear towards 0.

    ``factor(e) = 1 - max(0, e - n) / (n + 1)`` with ``n`` half of the epochs and ``e`` counted from 1. For
    ``torch.optim.lr_scheduler.LambdaLR``, which counts from 0.

    Args:
        max_epochs: of the training.

    References:
        The schedule of CycleGAN, CUT and TANQ.
    """

    def __init__(self, max_epochs: int) -> None:
        self.constant_epochs = max_epochs // 2
        self.linear_epochs = max_epochs - self.constant_epochs

    def __call__(self, finished_epochs: int) -> float:
        """The factor of the epoch that follows ``finished_epochs``."""
        return 1.0 - max(0, finished_epochs + 1 - self.constant_epochs) / (self.linear_epochs + 1)
