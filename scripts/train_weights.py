"""Train the weights that the bundles ship, on virtual patients, and score them on others.

    python scripts/train_weights.py --output-dir OUT

makes patients of the two sites and trains TANQ on them; makes patients of many hospitals, but for those of one vendor,
and trains the segmenter on their hrT2 with exact labels; scores it on scans of the sites and of the vendor left out:
some hours on two cores. A run that was stopped goes on. `python scripts/ship_weights.py --trained OUT` then puts them
into the bundles.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fire

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import SEGMENTER, demo_settings
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.steps import Step, StepRunner, bundle_step

BUNDLE = "vs_cochlea_seg"
NUM_TEST, NUM_PAIRED = 24, 8  # hrT2 scans to score the segmenter on; patients in both contrasts, for the translator
NUM_LEFT_OUT = 16  # of the vendor that is left out
MODEL = Path("segmenter") / "models" / "2d_fold_all"


def train_weights(output_dir: str, size: str = "small", seed: int = 0, num_hospitals: int = 160) -> None:
    """Run what is left to do.

    Args:
        output_dir: gets everything.
        size: of the demo: patients, slices and training of the translator.
        seed: of the patients and of all trainings.
        num_hospitals: patients whose hrT2 the segmenter is trained on, each of a hospital of its own.
    """
    root = check_output_dir(output_dir).resolve()
    steps = [*translator_steps(root, size, seed), *segmenter_steps(root, size, seed, num_hospitals)]
    runner = StepRunner(root / "steps", len(steps), "weights")
    for step in steps:
        runner.run(step)


def translator_steps(root: Path, size: str, seed: int) -> Iterator[Step]:
    """Patients of both sites, and TANQ."""
    settings = demo_settings(size)
    settings = replace(settings, tanq={**settings.tanq, "paired_dir": root / "data" / "paired"})
    scans = Scans(root / "data" / "training_source", root / "data" / "training_target")
    source, target, _ = settings.phantom_scans
    counts = {"num-source": source, "num-target": target, "num-test": NUM_TEST, "paired": NUM_PAIRED}
    yield _phantom("data", root, seed, counts | {"size": settings.phantom_size})
    yield Adaptation(scans, root, settings, seed).translator_training("tanq")


def segmenter_steps(root: Path, size: str, seed: int, num_hospitals: int) -> Iterator[Step]:
    """Patients of hospitals, the segmenter, and its scores on the sites and on the vendor left out."""
    training = {"num-source": 0, "num-target": num_hospitals, "num-test": 0, "size": "varied", "protocols": "hospitals"}
    yield _phantom("hospitals", root, seed, training)
    testing = {"num-source": 0, "num-target": 0, "num-test": NUM_LEFT_OUT, "size": "varied", "protocols": "left_out"}
    yield _phantom("left_out", root, seed + 1, testing)
    hospitals = root / "hospitals"
    folders = {
        "dataset_dir": hospitals / "training_target",
        "label_dir": hospitals / "withheld_labels" / "training_target",
        "output_dir": root / "segmenter",
    }
    yield bundle_step("train_segmenter", BUNDLE, "train", folders | SEGMENTER | TRAINING | {"seed": seed})
    for name in ("data", "left_out"):
        labels, scores = root / f"{name}_labels", root / f"{name}_scores"
        choices = {"dataset_dir": root / name / "validation", "model_dir": root / MODEL, "output_dir": labels}
        yield bundle_step(f"segment_{name}", BUNDLE, "inference", choices)
        truth = root / name / "withheld_labels" / "validation"
        scoring = {"prediction_dir": labels, "truth_dir": truth, "output_dir": scores}
        yield bundle_step(f"score_{name}", BUNDLE, "evaluate", scoring)


# Pixels of .7 mm hold a cochlea, and windows of 112 mm both ears; six stages see all of such a window.
TRAINING = {
    "configuration": "2d",
    "max_epochs": 60,
    "iterations_per_epoch": 100,
    "batch_size": 4,
    "plans_override": {
        "spacing": [0.7, 0.7],
        "patch_size": [160, 160],
        "features_per_stage": [16, 32, 64, 128, 192, 256],
    },
}


def _phantom(name: str, root: Path, seed: int, words: dict[str, object]) -> Step:
    options = {"output-dir": root / name, "seed": seed} | words
    return Step(name, ("-m", "tanq_monai", "phantom", *(f"--{option}={value}" for option, value in options.items())))


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(train_weights)
