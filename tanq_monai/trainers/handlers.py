"""Ignite handlers of the translators' training: order of the data, history."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys as Keys

from tanq_monai.data.slices import UnpairedSlices
from tanq_monai.files import replacing
from tanq_monai.metrics import STRUCTURES
from tanq_monai.transforms.intensity import to_magnitude


class EpochSeed:
    """Every epoch draws its pairs, flips and patches from the seed and its own number, also when it is resumed.

    Args:
        dataset: whose order is drawn.
        seed: of the run.
    """

    def __init__(self, dataset: UnpairedSlices, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def attach(self, engine: Engine) -> None:
        """Call before every epoch of ``engine``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that starts."""
        self.dataset.set_epoch(engine.state.epoch)
        torch.manual_seed(self.seed * 100_003 + engine.state.epoch)


class History:
    """One row an epoch in a CSV file: mean losses, and how bright the structures are in the translation.

    Looking like hrT2 is not enough: watch ``level_VS`` and ``level_cochlea``, the mean magnitude in [0, 1] over the
    pixels of the structures.

    Args:
        path: of the CSV file; rows of epochs that are repeated after a resume are replaced.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._values: dict[str, list[float]] = defaultdict(list)

    def attach(self, engine: Engine) -> None:
        """Collect at every iteration of ``engine``, write after every epoch."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        output = engine.state.output
        for name, value in losses_of(output).items():
            self._values[name].append(value)
        image, labels = to_magnitude(output[Keys.PRED]), output[Keys.IMAGE][:, 1:]
        for name, value in STRUCTURES.items():
            if (labels == value).any():
                self._values[f"level_{name}"].append(image[labels == value].mean().item())

    def _write(self, engine: Engine) -> None:
        row = {"epoch": engine.state.epoch} | {name: sum(v) / len(v) for name, v in self._values.items()}
        self._values.clear()
        rows = pd.DataFrame([row])
        if self.path.exists():
            before = pd.read_csv(self.path)
            rows = pd.concat([before[before["epoch"] < row["epoch"]], rows])
        with replacing(self.path) as temporary:
            rows.to_csv(temporary, index=False)


def losses_of(output: dict[str, Any]) -> dict[str, float]:
    """The losses by name, of what :class:`TanqTrainer` puts out."""
    return {name: float(value) for name, value in output.items() if name.startswith("loss")}
