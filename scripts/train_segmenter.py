"""Train the segmenter that is shipped, for hospitals that it never saw, on virtual patients of many others; score it.

    python scripts/train_segmenter.py --output-dir OUT

makes hrT2 of virtual patients in many hospitals, but for those of one vendor, trains a segmenter on them with exact
labels, and scores it on scans of that vendor and of the two sites: about two hours on two cores. A run that was stopped
goes on. What came of it: docs/any_hospital.md; on scans of your own: `python scripts/zero_shot.py`. Then
`python scripts/ship_weights.py --segmenter OUT` puts it into its bundle.
"""

from collections.abc import Iterator
from pathlib import Path

import fire

from tanq_monai.adaptation.settings import SEGMENTER
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.steps import Step, bundle_step, run_steps

BUNDLE = "vs_cochlea_seg"
NUM_SITES, NUM_LEFT_OUT = 24, 16  # scans to score on, of both sites and of the vendor that is left out
MODEL = Path("segmenter") / "models" / "2d_fold_all"

# Pixels of .7 mm hold a cochlea, and windows of 112 mm both ears; six stages see all of such a window.
TRAINING = {
    "configuration": "2d",
    "max_epochs": 160,
    "iterations_per_epoch": 100,
    "batch_size": 4,
    "appearance": 0.5,
    "plans_override": {
        "spacing": [0.7, 0.7],
        "patch_size": [160, 160],
        "features_per_stage": [16, 32, 64, 128, 192, 256],
    },
}


def train_segmenter(output_dir: str, seed: int = 0, num_hospitals: int = 240) -> None:
    """Run what is left to do.

    Args:
        output_dir: gets everything.
        seed: of the patients and of the training.
        num_hospitals: patients to train on, each of a hospital of its own.
    """
    root = check_output_dir(output_dir).resolve()
    run_steps(root / "steps", list(hospital_steps(root, seed, num_hospitals)), "hospitals")


def hospital_steps(root: Path, seed: int, num_hospitals: int) -> Iterator[Step]:
    """All commands."""
    yield patients_step(root, seed, num_hospitals)
    yield _phantom("left_out", root, seed + 1, {"num-test": NUM_LEFT_OUT, "size": "varied", "protocols": "left_out"})
    yield _phantom("sites", root, seed, {"num-test": NUM_SITES, "size": "small"})
    hospitals = root / "hospitals"
    folders = {
        "dataset_dir": hospitals / "training_target",
        "label_dir": hospitals / "withheld_labels" / "training_target",
        "output_dir": root / "segmenter",
    }
    yield bundle_step("train_segmenter", BUNDLE, "train", folders | SEGMENTER | TRAINING | {"seed": seed})
    for name in ("left_out", "sites"):
        labels, scores = root / f"{name}_labels", root / f"{name}_scores"
        choices = {"dataset_dir": root / name / "validation", "model_dir": root / MODEL, "output_dir": labels}
        yield bundle_step(f"segment_{name}", BUNDLE, "inference", choices)
        truth = root / name / "withheld_labels" / "validation"
        scoring = {"prediction_dir": labels, "truth_dir": truth, "output_dir": scores}
        yield bundle_step(f"score_{name}", BUNDLE, "evaluate", scoring)


def patients_step(root: Path, seed: int, num_hospitals: int) -> Step:
    """The patients to train on; a patient is the same, however many there are."""
    return _phantom("hospitals", root, seed, {"num-target": num_hospitals, "size": "varied", "protocols": "hospitals"})


def _phantom(name: str, root: Path, seed: int, words: dict[str, object]) -> Step:
    options = {"output-dir": root / name, "seed": seed, "num-source": 0, "num-target": 0, "num-test": 0} | words
    return Step(name, ("-m", "tanq_monai", "phantom", *(f"--{option}={value}" for option, value in options.items())))


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(train_segmenter)
