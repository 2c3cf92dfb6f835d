"""Checkpoints that are there completely or not at all, and resuming from them at the very step."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import nn

from tanq_monai.divergence import check_trained
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_file
from tanq_monai.ranks import check_same_checkpoint, is_first_rank
from tanq_monai.translation.model_choices import write_choices
from tanq_monai.weights import UNREADABLE, check_finite, read_saved, saving

_ELSEWHERE = "give the choices it was begun with, or another output folder"


class Checkpoint:
    """Keeps the state of the training in one file, and goes on from it when it is there.

    Saved after every epoch, and within epochs every few minutes. Random draws follow from the number of the step
    (:class:`SeededSteps`), so networks, optimizers and what else ``state`` names are all there is to save: a run that
    was killed ends with the same bits as one that was not. MONAI's ``CheckpointSaver`` removes the old file before it
    writes the new one, in place: killed in between, nothing is left. Here the new file replaces the old one when it is
    complete. With several ranks the first one writes, and all read.

    Args:
        path: of the checkpoint.
        state: what is saved and restored, objects with ``state_dict`` and ``load_state_dict`` by name.
        minutes: between two checkpoints within an epoch.
        choices: what the training follows from, by name; a checkpoint of other ones is refused. Methods whose networks
            have the same shapes differ in nothing else.
    """

    def __init__(
        self,
        path: str | Path,
        state: Mapping[str, Any],
        minutes: float = 10.0,
        choices: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.state, self.minutes = Path(path), state, minutes
        self.choices = {name: repr(value) for name, value in (choices or {}).items()}
        self._saved_at = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Load at the start of ``engine``; save after every epoch and every few minutes."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._save_now_and_then)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def load(self, engine: Engine) -> None:
        """Restore everything, and let ``engine`` go on after the checkpoint's step.

        Raises:
            InputError: when the file is no checkpoint, or one of other networks, choices, data or batch size; on all
                ranks, when they have not read the same one.
        """
        self._saved_at = time.monotonic()
        if self.path.exists():
            self._restore(engine)
        check_same_checkpoint(self.path, engine.state.iteration)

    def _restore(self, engine: Engine) -> None:
        saved = _read(self.path)
        try:
            for name, item in self.state.items():
                if isinstance(item, nn.Module):
                    check_finite(saved[name], self.path)
                item.load_state_dict(saved[name])
            iteration, epoch_length, choices = saved["iteration"], saved["epoch_length"], saved["choices"]
        except InputError:
            raise
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise InputError(self.path, "does not fit these networks", _ELSEWHERE) from error
        others = [name for name, value in self.choices.items() if choices.get(name) != value]
        if others:
            raise InputError(self.path, f"was begun with another choice of {', '.join(others)}", _ELSEWHERE)
        if epoch_length != engine.state.epoch_length:
            problem = f"has epochs of {epoch_length} steps, this run of {engine.state.epoch_length}"
            raise InputError(self.path, problem, _ELSEWHERE)
        engine.state.iteration, engine.state.epoch = iteration, iteration // epoch_length

    def save(self, engine: Engine) -> None:
        """Write the state after the step that has finished.

        Raises:
            InputError: when it holds weights of NaN: on all ranks, and the last checkpoint stays.
        """
        self._saved_at = time.monotonic()
        for item in self.state.values():
            if isinstance(item, nn.Module):
                check_trained(item.state_dict(), self.path)
        if is_first_rank():
            states = {name: item.state_dict() for name, item in self.state.items()}
            place = {"iteration": engine.state.iteration, "epoch_length": engine.state.epoch_length}
            save_atomically(states | place | {"choices": self.choices}, self.path)

    def _save_now_and_then(self, engine: Engine) -> None:
        ends_epoch = engine.state.iteration % engine.state.epoch_length == 0  # first what is due after it
        if not ends_epoch and time.monotonic() - self._saved_at > 60 * self.minutes:
            self.save(engine)


class FinalModel:
    """Writes the network's weights, a plain state dict, and its choices beside it, when training has finished.

    Args:
        path: of the file.
        network: whose weights are written.
        choices: of the training, see :mod:`tanq_monai.translation.model_choices`.
        beside: other networks that who continues wants, by the names of their files in the same folder.
    """

    def __init__(
        self,
        path: str | Path,
        network: nn.Module,
        choices: Mapping[str, Any],
        beside: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.path, self.network, self.choices = Path(path), network, choices
        self.beside = dict(beside or {})

    def attach(self, engine: Engine) -> None:
        """Write when ``engine`` has completed.

        Raises:
            InputError: when the file must or can not be written: at once, not after the training.
        """
        if is_first_rank():
            check_output_file(self.path)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _write(self) -> None:
        for network in (self.network, *self.beside.values()):
            check_trained(network.state_dict(), self.path)
        if is_first_rank():
            write_choices(self.choices, self.path)
            for name, network in self.beside.items():
                save_atomically(network.state_dict(), self.path.with_name(name))
            save_atomically(self.network.state_dict(), self.path)


def save_atomically(content: Mapping[str, Any], path: Path) -> None:
    """``torch.save``, see :func:`tanq_monai.weights.saving`."""
    with saving(path) as stream:
        torch.save(dict(content), stream)


def _read(path: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = read_saved(path)
    except UNREADABLE as error:
        raise InputError(path, "is no checkpoint", "remove it, training then starts anew") from error
    return saved
