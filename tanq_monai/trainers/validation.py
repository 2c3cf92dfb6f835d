"""Validation while a translator trains: a row in a table, scalars and pictures, and nothing changed in the training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.networks.utils import eval_mode
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from tanq_monai.ranks import is_first_rank
from tanq_monai.trainers.quality import Check, Findings
from tanq_monai.trainers.rows import add_row


class Validation:
    """Calls its checks after every ``every``-th epoch and after the last one, on the first rank.

    The values become a row of a CSV file, and ``engine.state.metrics`` of that epoch, from where MONAI's handlers for
    TensorBoard and MLflow take them; attach it before those, and before the checkpoint, so that a run that is killed
    meanwhile validates again. Random state and mode of the network are left as they were.

    Args:
        network: the translator; called as ``network(slices, style)``.
        checks: of :mod:`tanq_monai.trainers.quality`.
        path: of the CSV file; rows of epochs that are repeated after a resume are replaced.
        every: epochs; 0: never.
        batch_size: slices translated at once.
        log_dir: of the pictures, for TensorBoard; None: none. Give a folder of their own: TensorBoard follows one file
            a folder.
    """

    def __init__(
        self,
        network: nn.Module,
        checks: Sequence[Check],
        path: str | Path,
        every: int = 10,
        batch_size: int = 4,
        log_dir: str | Path | None = None,
    ) -> None:
        self.network, self.checks, self.path = network, list(checks), Path(path)
        self.every, self.batch_size, self.log_dir = every, batch_size, log_dir
        self._reported: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Call after the epochs of ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._forget)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._validate)

    def _forget(self, engine: Engine) -> None:
        """The values are of one epoch: the next one must not report them again."""
        for name in self._reported:
            engine.state.metrics.pop(name, None)
        self._reported = []

    def _validate(self, engine: Engine) -> None:
        epoch, last = engine.state.epoch, engine.state.max_epochs
        due = self.every > 0 and (epoch % self.every == 0 or epoch == last)
        if not due or not is_first_rank():
            return
        findings = [check(self._translate) for check in self.checks]
        values = {name: value for found in findings for name, value in found.values.items()}
        add_row(self.path, {"epoch": epoch} | values)
        self._reported = [name for name, value in values.items() if np.isfinite(value)]
        engine.state.metrics.update({name: values[name] for name in self._reported})
        if self.log_dir is not None:
            _show(self.log_dir, findings, epoch)

    def _translate(self, slices: Tensor, style: Tensor) -> Tensor:
        parameter = next(self.network.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices), eval_mode(self.network):
            parts = [
                self.network(part.to(device), numbers.to(device)).float().cpu()
                for part, numbers in zip(slices.split(self.batch_size), style.split(self.batch_size), strict=True)  # type: ignore[no-untyped-call]
            ]
        return torch.cat(parts)


def _show(log_dir: str | Path, findings: Sequence[Findings], epoch: int) -> None:
    with SummaryWriter(str(log_dir)) as writer:
        for number, found in enumerate(findings):
            writer.add_image(f"translation/{number}", found.picture, epoch)
