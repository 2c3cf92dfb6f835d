"""Train the translator that is shipped, on virtual patients of the two sites.

    python scripts/train_translator.py --output-dir OUT

makes the patients and trains TANQ, which is validated on patients in both contrasts: an hour or two on one core. A run
that was stopped goes on. `python scripts/ship_weights.py --translator OUT` then puts it into its bundle.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fire

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import trial_settings
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.steps import Step, run_steps

NUM_TEST, NUM_PAIRED = 24, 8  # as when the shipped weights were made; patients in both contrasts


def train_translator(output_dir: str, size: str = "small", seed: int = 0) -> None:
    """Run what is left to do.

    Args:
        output_dir: gets everything.
        size: of the trial: patients, slices, trainings.
        seed: of the patients and of the training.
    """
    root = check_output_dir(output_dir).resolve()
    run_steps(root / "steps", list(translator_steps(root, size, seed)), "translator")


def translator_steps(root: Path, size: str, seed: int) -> Iterator[Step]:
    """All commands."""
    settings = trial_settings(size)
    settings = replace(settings, tanq={**settings.tanq, "paired_dir": root / "data" / "paired"})
    source, target, _ = settings.phantom_scans
    counts = {"num-source": source, "num-target": target, "num-test": NUM_TEST, "paired": NUM_PAIRED}
    words = {"output-dir": root / "data", "size": settings.phantom_size, "seed": seed} | counts
    yield Step("phantom", ("-m", "tanq_monai", "phantom", *(f"--{name}={value}" for name, value in words.items())))
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target")))
    yield Adaptation(scans, root, settings, seed).translator_training("tanq")


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(train_translator)
