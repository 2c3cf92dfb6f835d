"""Train the weights that the bundles ship, on virtual patients, and score them on others.

    python scripts/train_weights.py --output-dir OUT

makes the patients, trains TANQ, translates the labelled ceT1 scans, trains the segmenter on the translations and once
more with its own refined labels of the hrT2 scans, and scores it on test scans: an hour or two on one core. A run that
was stopped goes on. `python scripts/ship_weights.py --trained OUT` then puts them into the bundles.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fire

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import trial_settings
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.steps import Step, bundle_step, run_steps

SEGMENTER = "vs_cochlea_seg"
NUM_TEST, NUM_PAIRED = 24, 8  # hrT2 scans to score the segmenter on; patients in both contrasts, for the translator


def train_weights(output_dir: str, size: str = "small", seed: int = 0) -> None:
    """Run what is left to do.

    Args:
        output_dir: gets everything.
        size: of the trial: patients, slices, trainings.
        seed: of the patients and of all trainings.
    """
    root = check_output_dir(output_dir).resolve()
    run_steps(root / "steps", list(weights_steps(root, size, seed)), "weights")


def weights_steps(root: Path, size: str, seed: int) -> Iterator[Step]:
    """All commands. One view: so short a CycleGAN loses the cochlea (see the README's table)."""
    settings = trial_settings(size)
    settings = replace(settings, tanq={**settings.tanq, "paired_dir": root / "data" / "paired"})
    truth = root / "data" / "withheld_labels"
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target", "validation")))
    line = Adaptation(scans, root, settings, seed, truth / "validation", truth / "training_target")
    source, target, _ = settings.phantom_scans
    counts = {"num-source": source, "num-target": target, "num-test": NUM_TEST, "paired": NUM_PAIRED}
    words = {"output-dir": root / "data", "size": settings.phantom_size, "seed": seed} | counts
    yield Step("phantom", ("-m", "tanq_monai", "phantom", *(f"--{name}={value}" for name, value in words.items())))
    yield line.translator_training("tanq")
    yield line.translation(("tanq",))
    yield line.self_training(rounds=1, stop_agreement=2)
    model = root / "self_training" / "round_1" / "models" / "2d_fold_all"
    labels = {"dataset_dir": scans.test, "model_dir": model, "output_dir": root / "labels", "ears_first": False}
    yield bundle_step("segment", SEGMENTER, "inference", labels)
    scores = {"prediction_dir": root / "labels", "truth_dir": truth / "validation", "output_dir": root / "scores"}
    yield bundle_step("score", SEGMENTER, "evaluate", scores)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(train_weights)
