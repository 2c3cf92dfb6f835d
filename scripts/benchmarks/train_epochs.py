"""One segmenter's training, an epoch at a time when it is told to: a program for `segmenter_step`.

    python train_epochs.py CHOICES

CHOICES is a JSON file of choices of the train.yaml of the tree that PYTHONPATH names. Prints the seconds per iteration of every
epoch, without the checkpoint after it; starts one for each line that it is given.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import tanq_monai
from monai.bundle import ConfigWorkflow


def train_epochs(choices_file: str) -> None:
    """Say "ready", train."""
    bundle = Path(tanq_monai.__file__).parents[1] / "bundles" / "vs_cochlea_seg"
    configs = bundle / "configs"
    choices = json.loads(Path(choices_file).read_text())
    known = (configs / "train.yaml").read_text()
    flow = ConfigWorkflow(
        config_file=str(configs / "train.yaml"),
        meta_file=str(configs / "metadata.json"),
        logging_file=None,
        workflow_type="train",
        bundle_root=str(bundle),
        **{name: value for name, value in choices.items() if f"\n{name}:" in known},  # seed and amp are younger
    )
    flow.initialize()
    trainer: Any = flow.trainer
    trainer.add_event_handler("EPOCH_STARTED", _wait, trainer)
    trainer.add_event_handler("ITERATION_COMPLETED", _tell, trainer)
    flow.run()


def _wait(trainer: Any) -> None:
    _say("ready")
    sys.stdin.readline()
    trainer.begun = time.perf_counter()


def _tell(trainer: Any) -> None:
    if trainer.state.iteration % trainer.state.epoch_length == 0:
        _say(str((time.perf_counter() - trainer.begun) / trainer.state.epoch_length))


def _say(line: str) -> None:
    sys.__stdout__.write(f"{line}\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    train_epochs(sys.argv[1])
