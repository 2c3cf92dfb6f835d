"""What every step of the adaptation is worth: segmenters of virtual patients' hrT2, each scored on the same test scans.

    python scripts/adaptation_steps.py --output-dir OUT

trains both translators and, on translations of each and of both, a segmenter; self-training plain, with refinement, and
with feedback; and the two ends, ceT1 alone and labelled hrT2. OUT/steps.md then has the table with bootstrap intervals,
and for every step up the paired difference. Hours on two cores; a run that was stopped goes on.
"""

import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import fire
import pandas as pd
import torch

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import trial_settings
from tanq_monai.demo.pipeline import phantom_step, plain_segmenter
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, replacing
from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.statistics import summarize
from tanq_monai.steps import Step, StepRunner
from tanq_monai.structures import STRUCTURES

VIEWS = {"cyclegan": ("cyclegan",), "tanq": ("tanq",), "multi_view": ("tanq", "cyclegan")}
# Rows after the translations alone: choices of self_training.yaml, each a step more than the one before.
VARIANTS = {
    "self_training": {"refinement": {"refine": False}, "use_feedback": False},
    "refinement": {"refinement": {"refine": True}, "use_feedback": False},
    "feedback": {"refinement": {"refine": True}, "use_feedback": True},
}
# What every step is a step from.
BASES = {
    "cyclegan": "no_adaptation",
    "tanq": "no_adaptation",
    "multi_view": "tanq",
    "self_training": "multi_view",
    "refinement": "self_training",
    "feedback": "refinement",
}
TITLES = {
    "no_adaptation": "no adaptation",
    "cyclegan": "CycleGAN",
    "tanq": "TANQ",
    "multi_view": "multi-view",
    "self_training": "+ self-training",
    "refinement": "+ refinement",
    "feedback": "+ feedback",
    "supervised": "supervised",
}


def adaptation_steps(
    output_dir: str,
    size: str = "small",
    seed: int = 0,
    num_test: int = 24,
    rounds: int = 2,
    translators: str | None = None,
) -> None:
    """Run what is left to do, print and write the table.

    Args:
        output_dir: gets everything.
        size: of the trial: patients, slices, trainings.
        seed: of the patients, of all trainings and of the bootstrap.
        num_test: test scans.
        rounds: of self-training.
        translators: folder with tanq/models/model.pt and cyclegan/models/model.pt that `adapt` of the same size has
            trained before; default: train them.
    """
    settings = trial_settings(size)
    settings = replace(settings, phantom_scans=(*settings.phantom_scans[:2], num_test))
    root = check_output_dir(output_dir).resolve()
    truth = root / "data" / "withheld_labels" / "validation"
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target", "validation")))
    line = Adaptation(scans, root, settings, seed, truth, truth.with_name("training_target"), translators)
    rows = dict(rows_of(line, rounds))
    before = [phantom_step(root, settings, seed)]
    before += [] if translators else [line.translator_training(name) for name in ("tanq", "cyclegan")]
    runner = StepRunner(root / "steps", len(before) + sum(map(len, rows.values())), "steps")
    seconds = {step.name: runner.run(step) for steps in (before, *rows.values()) for step in steps}
    scores = {name: pd.read_csv(root / f"{name}_scores" / "scores.csv") for name in rows}
    text = tables(scores, seed)
    length = f"{settings.segmenter['max_epochs']} x {settings.segmenter['iterations_per_epoch']}"
    command = f"--size {size} --seed {seed} --num-test {num_test} --rounds {rounds}"
    text += (
        f"\n{num_test} test scans; every segmenter {length} steps; seed {seed}. Mean and 95 % "
        f"bootstrap interval over the scans. python scripts/adaptation_steps.py {command}; {platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}, "
        f"{sum(seconds.values()) / 60:.0f} minutes of steps. Virtual patients; research only.\n"
    )
    with replacing(root / "steps.md") as temporary:
        temporary.write_text(text)
    sys.stdout.write(f"\n{text}")


def rows_of(line: Adaptation, rounds: int) -> Iterator[tuple[str, list[Step]]]:
    """Name of every row and what has to be run for it."""
    truth = line.root / "data" / "withheld_labels" / "training_target"
    yield "no_adaptation", plain_segmenter(line, "no_adaptation", line.scans.source, line.scans.source)
    for name, views in VIEWS.items():
        translated = line.translation(views, f"translated_{name}")
        training = line.self_training(f"{name}_training", f"translated_{name}", rounds=0)
        yield name, [translated, training, *_scored(line, name)]
    multi_view = {"translated": "translated_multi_view", "first_ensemble": line.root / "multi_view_training" / "models"}
    for name, choices in VARIANTS.items():
        training = line.self_training(f"{name}_training", rounds=rounds, stop_agreement=2, **multi_view, **choices)
        yield name, [training, *_scored(line, name)]
    yield "supervised", plain_segmenter(line, "supervised", line.scans.target, truth)


def _scored(line: Adaptation, name: str) -> Iterator[Step]:
    return line.segmentation(f"segment_{name}", line.root / f"{name}_training" / "models", line.root / name)


def tables(scores: dict[str, pd.DataFrame], seed: int) -> str:
    """Every row's scores, and every step's difference to what it is a step from, as markdown."""
    columns = [(structure, metric) for structure in STRUCTURES for metric in ("dice", "assd_mm")]
    heads = [f"{structure} {'Dice' if metric == 'dice' else 'ASSD mm'}" for structure, metric in columns]
    rows, steps = [["segmenter", *heads]], [["step", *heads]]
    for name, own in scores.items():
        summary = summarize(own, seed=seed)
        rows.append([TITLES[name], *(_interval(summary.loc[key], "mean") for key in columns)])
    for name, base in BASES.items():
        difference = compare(scores[name], scores[base], seed=seed)
        found = [difference.loc[key] for key in columns]
        cells = [f"{_interval(row, 'difference')} {row['stars']}" for row in found]
        steps.append([f"{TITLES[name]} - {TITLES[base]}", *cells])
    return f"{_markdown(rows)}\n{_markdown(steps)}"


def _interval(row: "pd.Series[float]", column: str) -> str:
    return f"{row[column]:.3f} ({row['ci_low']:.3f}, {row['ci_high']:.3f})"


def _markdown(table: list[list[str]]) -> str:
    head, *rows = (f"| {' | '.join(cells)} |\n" for cells in table)
    return "".join([head, "|---" * len(table[0]) + "|\n", *rows])


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(adaptation_steps)
