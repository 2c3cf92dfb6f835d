"""The whole line on a phantom: translate, train segmenters, segment unseen hrT2, score, report."""

import math
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import monai
import pandas as pd
import torch

from tanq_monai.data.checks import check_output_dir
from tanq_monai.demo.album import draw_album
from tanq_monai.demo.report import NO_ADAPTATION, SUPERVISED_BOUND, TANQ, gap_closed, write_report
from tanq_monai.demo.settings import DemoSettings, settings_of
from tanq_monai.files import replacing
from tanq_monai.steps import Step, StepRunner, bundle_step


@dataclass(frozen=True)
class Segmenter:
    """One segmenter of the comparison: where its training images and labels lie below the demo's folder."""

    name: str
    title: str
    images: str
    labels: str


SEGMENTERS = (
    Segmenter("no_adaptation", NO_ADAPTATION, "data/training_source", "data/training_source"),
    Segmenter("tanq", TANQ, "pseudo", "data/training_source"),
    Segmenter("supervised", SUPERVISED_BOUND, "data/training_target", "data/withheld_labels/training_target"),
)


def run_demo(output_dir: str | Path, size: str, seed: int) -> pd.DataFrame:
    """Run the line, or what of it is left to do, and write ``report.html``.

    Args:
        output_dir: gets everything; a stopped demo goes on there.
        size: "tiny" or "small".
        seed: of the phantom and of the translator.

    Returns:
        One row per segmenter: mean Dice and ASSD (mm) with sd, n, seconds of wall time with training.

    Raises:
        InputError: for a size that is not there, a folder that cannot be used, or a step that failed.
    """
    settings = settings_of(size)
    root = check_output_dir(output_dir).resolve()
    translation = translation_steps(root, settings, seed)
    segmentation = {s: segmentation_steps(root, settings, s) for s in SEGMENTERS}
    runner = StepRunner(root / "steps", len(translation) + sum(map(len, segmentation.values())), "demo")
    phantom, *translator = translation
    runner.run(phantom)
    shared = sum(runner.run(step) for step in translator)
    rows = {}
    for segmenter, steps in segmentation.items():
        seconds = sum(runner.run(step) for step in steps) + (shared if segmenter.title == TANQ else 0)
        rows[segmenter.title] = _row(root / segmenter.name / "scores") | {"seconds": seconds}
    table = pd.DataFrame(rows).T
    steps = [*translation, *(step for steps in segmentation.values() for step in steps)]
    table.to_csv(root / "table.csv")
    album = draw_album(root)
    for number, picture in enumerate(album, start=1):
        with replacing(root / "pictures" / f"{number}.png") as temporary:
            temporary.write_bytes(picture.png)
    write_report(root / "report.html", table, album, _facts(root, size, seed, steps, table))
    return table


def translation_steps(root: Path, settings: DemoSettings, seed: int) -> list[Step]:
    """Phantom, training of the translator, translation of all labelled ceT1."""
    source, target, test = settings.scans
    phantom = (
        "-m",
        "tanq_monai",
        "phantom",
        "--output-dir",
        str(root / "data"),
        "--size",
        settings.phantom_size,
    )
    counts = (
        "--num-source",
        str(source),
        "--num-target",
        str(target),
        "--num-test",
        str(test),
        "--seed",
        str(seed),
    )
    training: dict[str, Any] = {"dataset_dir": root / "data", "output_dir": root / "translator", "seed": seed}
    inference: dict[str, Any] = {
        "dataset_dir": root / "data" / "training_source",
        "output_dir": root / "pseudo",
        "model_file": root / "translator" / "models" / "model.pt",
    }
    return [
        Step("phantom", (*phantom, *counts)),
        bundle_step(
            "train_translator",
            "tanq_translation",
            "train",
            training | dict(settings.slices) | dict(settings.translator),
        ),
        bundle_step("translate", "tanq_translation", "inference", inference | dict(settings.slices)),
    ]


def segmentation_steps(root: Path, settings: DemoSettings, segmenter: Segmenter) -> list[Step]:
    """Training of a segmenter, its labels of the test hrT2, their scores."""
    folder, name = root / segmenter.name, segmenter.name
    training = {
        "dataset_dir": root / segmenter.images,
        "label_dir": root / segmenter.labels,
        "output_dir": folder,
    }
    inference = {
        "dataset_dir": root / "data/validation",
        "model_dir": folder / "models",
        "output_dir": folder / "labels",
    }
    scoring = {
        "dataset_dir": folder / "labels",
        "truth_dir": root / "data/withheld_labels/validation",
        "output_dir": folder / "scores",
    }
    bundle = "vs_cochlea_seg"
    return [
        bundle_step(f"train_{name}", bundle, "train", training | dict(settings.segmenter)),
        bundle_step(f"segment_{name}", bundle, "inference", inference),
        bundle_step(f"score_{name}", bundle, "evaluate", scoring),
    ]


def closed_gap(table: pd.DataFrame) -> str:
    """The demo's bar in words: how much of the Dice gap the adaptation closes."""
    shares = [f"{name} {'n/a' if math.isnan(share) else f'{share:.0%}'}" for name, share in gap_closed(table).items()]
    return f"share of the Dice gap that TANQ closes: {', '.join(shares)}"


def _row(scores: Path) -> dict[str, float]:
    """Means and deviations of one segmenter, from the rows that the evaluation wrote."""
    rows = pd.read_csv(scores / "scores.csv")
    row: dict[str, float] = {}
    for structure, group in rows.groupby("structure"):
        for column, title in (("dice", "Dice"), ("assd_mm", "ASSD mm")):
            row[f"{structure} {title}"] = float(group[column].mean())
            row[f"{structure} {title} sd"] = float(group[column].std())
        row[f"{structure} n"] = float(group["dice"].count())
    return row


def _facts(root: Path, size: str, seed: int, steps: list[Step], table: pd.DataFrame) -> dict[str, str]:
    return {
        "command": f"python -m tanq_monai demo --size {size} --output-dir {root.name} --seed {seed}",
        "gap": closed_gap(table),
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, CUDA: {torch.cuda.is_available()}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}, monai {monai.__version__}",
        **{f"step {number}, {step.name}": step.command for number, step in enumerate(steps, start=1)},
    }
