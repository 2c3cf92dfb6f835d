"""How far nnU-Net on hrT2 falls without adaptation, on virtual patients at the scanners' own voxel size.

python scripts/adaptation_gap.py --output-dir gap        20 + 20 patients to train on, 10 to test on; goes on where it
                                                         was stopped
"""

import os
import platform
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import fire
import pandas as pd
import torch

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import SEGMENTER, SELF_TRAINING, Settings
from tanq_monai.demo.pipeline import phantom_step, plain_segmenter
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.steps import StepRunner

# Dice by segmenter and structure, and whether it must lie above.
BARS = {
    ("no_adaptation", "VS"): (0.25, False),
    ("no_adaptation", "cochlea"): (0.25, False),
    ("supervised", "VS"): (0.85, True),
    ("supervised", "cochlea"): (0.75, True),
}
SETTINGS = Settings(
    segmenter=SEGMENTER
    | {
        "batch_size": 3,
        "plans_override": {"patch_size": [256, 256], "features_per_stage": [16, 32, 64, 128, 128, 128]},
    },
    self_training=SELF_TRAINING,
    ears_first=False,  # what is missed and what is painted elsewhere counts
)


def adaptation_gap(
    output_dir: str,
    num_training: int = 20,
    num_test: int = 10,
    size: str = "crop",
    max_epochs: int = 16,
    iterations_per_epoch: int = 125,
    seed: int = 0,
) -> None:
    """Train nnU-Net on ceT1, and on hrT2 with the withheld labels; score both on other hrT2 (bars: ``BARS``).

    Args:
        output_dir: gets the patients, models, labels, scores and table.csv.
        num_training: patients of each of the two segmenters.
        num_test: patients to score on.
        size: of the virtual patients.
        max_epochs: of each segmenter.
        iterations_per_epoch: batches of 3 patches of 256 x 256, nearly whole slices: in smaller ones fat and muscle are
            taken for VS.
        seed: of the virtual patients and of the trainings.
    """
    root = check_output_dir(output_dir).resolve()
    lengths = {"max_epochs": max_epochs, "iterations_per_epoch": iterations_per_epoch}
    settings = replace(
        SETTINGS,
        phantom_size=size,
        phantom_scans=(num_training, num_training, num_test),
        segmenter={**SETTINGS.segmenter, **lengths},
    )
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target", "validation")))
    truth = root / "data" / "withheld_labels"
    line = Adaptation(scans, root, settings, seed, truth / "validation")
    steps = {
        "supervised": plain_segmenter(line, "supervised", scans.target, truth / "training_target"),
        "no_adaptation": plain_segmenter(line, "no_adaptation", scans.source, scans.source),
    }
    runner = StepRunner(root / "steps", 1 + sum(map(len, steps.values())))
    runner.run(phantom_step(root, settings, seed))
    seconds = {name: sum(runner.run(step) for step in own) for name, own in steps.items()}
    table = pd.concat([_scores(root, name) for name in steps], ignore_index=True)
    table.to_csv(root / "table.csv", index=False)
    _print(f"\n{table.round(3).to_string(index=False)}\n")
    for name, own in seconds.items():
        _print(f"{name}: {own / 60:.1f} min with training, inference and scoring")
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    machine += f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    trained = f"{num_training} patients of size {size}, {max_epochs} x {iterations_per_epoch} iterations each"
    _print(f"{trained}, seed {seed}, {machine}, torch {torch.__version__}, {date.today()}")


def _scores(root: Path, name: str) -> pd.DataFrame:
    """Mean and deviation of Dice for each structure, beside its bar."""
    dice = pd.read_csv(root / f"{name}_scores" / "scores.csv").groupby("structure")["dice"]
    table = dice.agg(["mean", "std", "count"]).reset_index()
    table.insert(0, "segmenter", name)
    table["bar"], table["holds"] = "", False
    for row, (structure, mean) in enumerate(zip(table["structure"], table["mean"], strict=True)):
        bar, above = BARS[name, structure]
        table.loc[row, "bar"] = f"{'>' if above else '<'} {bar}"
        table.loc[row, "holds"] = mean > bar if above else mean < bar
    return table


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(adaptation_gap)
