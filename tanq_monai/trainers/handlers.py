"""Ignite handlers of the translators' training: order of the data, history."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys as Keys

from tanq_monai.ranks import is_first_rank
from tanq_monai.structures import REGIONS
from tanq_monai.trainers.rows import add_row
from tanq_monai.translation.batches import Batches
from tanq_monai.translation.magnitude import to_magnitude


class SeededSteps:
    """Every step draws its slices and all else from the seed and its own number, also after a resume.

    Attach it after the checkpoint, which says where the run starts.

    Args:
        batches: begin at the step where the run starts.
        seed: of the run.
    """

    def __init__(self, batches: Batches, seed: int) -> None:
        self.batches, self.seed = batches, seed

    def attach(self, engine: Engine) -> None:
        """Call at the start and before every step of ``engine``."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_STARTED, self._seed)

    def _start(self, engine: Engine) -> None:
        self.batches.first_step = engine.state.iteration

    def _seed(self, engine: Engine) -> None:
        torch.manual_seed(self.seed * 1_000_003 + engine.state.iteration)


class History:
    """One row an epoch in a CSV file: mean losses, and how bright the structures are in the translation.

    Looking like hrT2 is not enough: watch ``level_VS`` and ``level_cochlea``, the mean magnitude in [0, 1] over the
    pixels of the structures. Its state belongs into the checkpoint: an epoch may be resumed in its middle. With several
    ranks it is about the first one's share of the batches.

    Args:
        path: of the CSV file; rows of epochs that are repeated after a resume are replaced.
        regions: numbers of the structures by name.
    """

    def __init__(self, path: str | Path, regions: Mapping[str, int] = REGIONS.numbers) -> None:
        self.path, self.regions = Path(path), regions
        self._values: dict[str, list[float]] = defaultdict(list)

    def attach(self, engine: Engine) -> None:
        """Collect at every iteration of ``engine``, write after every epoch."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def state_dict(self) -> dict[str, list[float]]:
        """The values of the epoch so far."""
        return dict(self._values)

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        """Go on with the values of an epoch so far."""
        self._values = defaultdict(list, {name: list(values) for name, values in state.items()})

    def _collect(self, engine: Engine) -> None:
        output = engine.state.output
        for name, value in losses_of(output).items():
            self._values[name].append(value)
        image, labels = to_magnitude(output[Keys.PRED]), output[Keys.IMAGE][:, 1:]
        for name, value in self.regions.items():
            if (labels == value).any():
                self._values[f"level_{name}"].append(image[labels == value].mean().item())

    def _write(self, engine: Engine) -> None:
        row = {"epoch": engine.state.epoch} | {name: sum(v) / len(v) for name, v in self._values.items()}
        self._values.clear()
        if is_first_rank():
            add_row(self.path, row)


def losses_of(output: dict[str, Any]) -> dict[str, float]:
    """The losses by name, of what :class:`TanqTrainer` puts out."""
    return {str(name): float(value) for name, value in output.items() if name.startswith("loss")}
