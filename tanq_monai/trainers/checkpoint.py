"""Checkpoints that are there completely or not at all, and resuming from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.files import replacing


class EpochCheckpoint:
    """Keeps the state of the last finished epoch in one file, and starts from it when it is there.

    MONAI's ``CheckpointSaver`` removes the old file before it writes the new one, in place: killed in between, nothing
    is left. Here the new file replaces the old one when it is complete.

    Args:
        path: of the checkpoint.
        state: what is saved and restored, objects with ``state_dict`` and ``load_state_dict`` by name.
    """

    def __init__(self, path: str | Path, state: Mapping[str, Any]) -> None:
        self.path, self.state = Path(path), state

    def attach(self, engine: Engine) -> None:
        """Load at the start of ``engine``, save after every epoch."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: Engine) -> None:
        """Restore everything, and let ``engine`` go on after the checkpoint's epoch."""
        if not self.path.exists():
            return
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        try:
            for name, item in self.state.items():
                item.load_state_dict(saved[name])
        except (KeyError, RuntimeError, ValueError) as error:
            remedy = "give the choices it was begun with, or another output folder"
            raise InputError(self.path, "does not fit these networks", remedy) from error
        engine.state.epoch = saved["epoch"]
        engine.state.iteration = saved["epoch"] * engine.state.epoch_length

    def save(self, engine: Engine) -> None:
        """Write the state of the epoch that has finished."""
        states = {name: item.state_dict() for name, item in self.state.items()}
        save_atomically(states | {"epoch": engine.state.epoch}, self.path)


class FinalModel:
    """Writes the network's weights, a plain state dict, when training has finished.

    Args:
        path: of the file.
        network: whose weights are written.
    """

    def __init__(self, path: str | Path, network: nn.Module) -> None:
        self.path, self.network = Path(path), network

    def attach(self, engine: Engine) -> None:
        """Write when ``engine`` has completed."""
        engine.add_event_handler(Events.COMPLETED, lambda: save_atomically(self.network.state_dict(), self.path))


def save_atomically(content: Mapping[str, Any], path: Path) -> None:
    """``torch.save`` beside ``path``, then rename."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)
