"""Whether networks trained in bfloat16 are as good as those trained in float32, over seeds.

    python scripts/bfloat16_worth.py --output-dir OUT

trains, for every seed and in either type, a TANQ translator and a segmenter on its translations, and scores them on the
same virtual test scans. OUT/table.md has mean Dice of every training; the difference of the types' means has to lie
inside the spread of the seeds. Inference is float32 throughout. A run that was stopped goes on. A CPU without bfloat16
rounds alike but computes slowly.
"""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import fire
import pandas as pd
import torch

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import Settings, trial_settings
from tanq_monai.demo.pipeline import phantom_step
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, replacing
from tanq_monai.precision import cpu_has_bfloat16
from tanq_monai.steps import Step, StepRunner

TYPES = {"float32": False, "bfloat16": True}  # by their autocast


def bfloat16_worth(
    output_dir: str, size: str = "tiny", seeds: Sequence[int] = (0, 1, 2), num_test: int = 24, phantom_seed: int = 0
) -> None:
    """Run what is left to do, print and write the table.

    Args:
        output_dir: gets everything.
        size: of the trial: patients, slices, trainings.
        seeds: of the trainings.
        num_test: test scans.
        phantom_seed: of the virtual patients.
    """
    root = check_output_dir(output_dir).resolve()
    settings = trial_settings(size)
    settings = replace(settings, phantom_scans=(*settings.phantom_scans[:2], num_test))
    lines = {(name, seed): line_of(root, settings, name, seed) for name in TYPES for seed in seeds}
    steps = {key: list(steps_of(line)) for key, line in lines.items()}
    runner = StepRunner(root / "steps", 1 + sum(map(len, steps.values())), "bfloat16")
    runner.run(phantom_step(root, settings, phantom_seed))
    for (name, seed), own in steps.items():
        for step in own:
            runner.run(replace(step, name=f"{name}_{seed}_{step.name}"))
    found = pd.concat([_dice(line.root).assign(type=name, seed=seed) for (name, seed), line in lines.items()])
    text = table(found) + (
        f"\n{num_test} test scans; bfloat16 by the processor: {cpu_has_bfloat16()}. python scripts/bfloat16_worth.py "
        f"--size {size} --seeds '{list(seeds)}' --num-test {num_test} --phantom-seed {phantom_seed}; "
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {date.today()}. Virtual patients.\n"
    )
    with replacing(root / "table.md") as temporary:
        temporary.write_text(text)
    sys.stdout.write(f"\n{text}")


def line_of(root: Path, settings: Settings, name: str, seed: int) -> Adaptation:
    """An adaptation whose trainings are done in the type ``name``, on the patients that all share."""
    amp = {"train#trainer#amp": TYPES[name]}
    settings = replace(settings, tanq={**settings.tanq, **amp}, segmenter={**settings.segmenter, **amp})
    scans = Scans(*(root / "data" / part for part in ("training_source", "training_target", "validation")))
    truth = root / "data" / "withheld_labels" / "validation"
    return Adaptation(scans, root / f"{name}_{seed}", settings, seed, truth)


def steps_of(line: Adaptation) -> Iterator[Step]:
    """TANQ's training, its translations, a segmenter trained on them, its labels and scores."""
    yield line.translator_training("tanq")
    yield line.translation(("tanq",))
    yield line.self_training(rounds=0)
    yield from line.segmentation("segment", line.root / "self_training" / "models", line.labels)


def table(dice: pd.DataFrame) -> str:
    """Mean Dice of every training, and for each structure the difference of the types beside the seeds' spread.

    Args:
        dice: columns type, seed, structure, dice; a row per training and structure.
    """
    lines = ["| structure | seed | float32 | bfloat16 |\n|---|---|---|---|\n"]
    verdicts = []
    for structure, own in dice.groupby("structure"):
        by_seed = own.pivot(index="seed", columns="type", values="dice")[list(TYPES)]
        lines += [f"| {structure} | {seed} | {one:.3f} | {other:.3f} |\n" for seed, one, other in by_seed.itertuples()]
        means, spreads = by_seed.mean(), by_seed.max() - by_seed.min()
        difference, spread = means["bfloat16"] - means["float32"], spreads.max()
        verdict = "inside" if abs(difference) <= spread else "outside"
        verdicts.append(
            f"{structure}: bfloat16 - float32 = {difference:+.3f}, {verdict} the seeds' spread of {spread:.3f} "
            f"(largest - smallest; float32 {spreads['float32']:.3f}, bfloat16 {spreads['bfloat16']:.3f})\n"
        )
    return "".join([*lines, "\n", *verdicts])


def _dice(root: Path) -> pd.DataFrame:
    scores = pd.read_csv(root / "labels_scores" / "scores.csv")
    return scores.groupby("structure", as_index=False)["dice"].mean()


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(bfloat16_worth)
