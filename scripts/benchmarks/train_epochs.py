"""A segmenter's training that takes an epoch whenever it is told to: a program for `segmenter_step`.

    python train_epochs.py CHOICES

CHOICES is a JSON file: choices of the train.yaml of the tree that PYTHONPATH names, and the size of the trial, if any,
whose choices that tree adds. Takes an epoch for every line that it is given, and prints its seconds per iteration
without the checkpoint that follows it.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

import tanq_monai
from tanq_monai.adaptation.settings import SIZES


def train_epochs(choices_file: str) -> None:
    """Run the training."""
    bundle = Path(tanq_monai.__file__).parents[1] / "bundles" / "vs_cochlea_seg"
    config = bundle / "configs" / "train.yaml"
    choices = json.loads(Path(choices_file).read_text())
    size = choices.pop("size")
    choices = (dict(SIZES[size].segmenter) if size in SIZES else {}) | choices
    known = {line.partition(":")[0] for line in config.read_text().splitlines()}
    flow = ConfigWorkflow(
        config_file=str(config),
        meta_file=str(bundle / "configs" / "metadata.json"),
        workflow_type="train",
        bundle_root=str(bundle),
        **{name: value for name, value in choices.items() if name in known},  # seed and amp are younger than others
    )
    flow.initialize()
    trainer: Any = flow.trainer
    trainer.add_event_handler("EPOCH_STARTED", _wait, trainer)
    trainer.add_event_handler("ITERATION_COMPLETED", _tell, trainer)
    flow.run()


def _wait(trainer: Any) -> None:
    sys.stdin.readline()
    trainer.begun = time.perf_counter()


def _tell(trainer: Any) -> None:
    length = trainer.state.epoch_length
    if trainer.state.iteration % length == 0:
        print(f"iteration {(time.perf_counter() - trainer.begun) / length}", file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    train_epochs(sys.argv[1])
