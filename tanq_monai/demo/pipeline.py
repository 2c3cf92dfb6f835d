"""The whole line on a phantom: translate, train segmenters, segment unseen hrT2, score, report."""

import math
import platform
from datetime import date
from pathlib import Path
from typing import Any

import monai
import pandas as pd
import torch

from tanq_monai.adaptation import SEGMENTER, Adaptation, Scans
from tanq_monai.adaptation.settings import SHIPPED, Settings, demo_settings
from tanq_monai.demo.album import draw_album
from tanq_monai.demo.report import (
    NO_ADAPTATION,
    SELF_TRAINED,
    SHIPPED_AS_THEY_ARE,
    SUPERVISED_BOUND,
    TRANSLATED,
    gap_closed,
    write_report,
)
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.steps import Step, StepRunner, bundle_step

# Folder of the labels of the test scans, by the segmenter's title; the scores lie beside it.
LABELS = {
    SHIPPED_AS_THEY_ARE: "shipped",
    NO_ADAPTATION: "no_adaptation",
    TRANSLATED: "translated_only",
    SELF_TRAINED: "labels",
    SUPERVISED_BOUND: "supervised",
}


def run_demo(output_dir: str | Path, size: str, seed: int) -> pd.DataFrame:
    """Run the line, or what of it is left to do, and write ``report.html``.

    Args:
        output_dir: gets everything; a stopped demo goes on there.
        size: "tiny" or "small".
        seed: of the phantom and of all trainings.

    Returns:
        One row per segmenter: mean Dice and ASSD (mm) with sd, n, seconds of wall time with training.

    Raises:
        InputError: for a size that is not there, a folder that cannot be used, or a step that failed.
    """
    settings = demo_settings(size)
    root = check_output_dir(output_dir).resolve()
    phantom = phantom_step(root, settings, seed)
    steps = demo_steps(root, settings, seed)
    runner = StepRunner(root / "steps", 1 + sum(map(len, steps.values())), "demo")
    runner.run(phantom)
    rows, translation = {}, 0.0
    for title, of_title in steps.items():
        seconds = sum(runner.run(step) for step in of_title)
        if title in (TRANSLATED, SELF_TRAINED):  # self-training begins with what the translations took
            translation += seconds
            seconds = translation
        rows[title] = _row(root / f"{LABELS[title]}_scores") | {"seconds": seconds}
    table = pd.DataFrame(rows).T
    with renewing(root / "table.csv") as temporary:
        table.to_csv(temporary)
    album = draw_album(root)
    for number, picture in enumerate(album, start=1):
        with renewing(root / "pictures" / f"{number}.png") as temporary:
            temporary.write_bytes(picture.png)
    every = [phantom, *(step for of_title in steps.values() for step in of_title)]
    write_report(root / "report.html", table, album, _facts(root, size, seed, every, table))
    return table


def phantom_step(root: Path, settings: Settings, seed: int) -> Step:
    """The virtual patients."""
    counts = zip(("source", "target", "test"), settings.phantom_scans, strict=True)
    choices: dict[str, Any] = {"output-dir": root / "data", "size": settings.phantom_size, "seed": seed}
    choices |= {f"num-{name}": count for name, count in counts}
    words = [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    return Step("phantom", ("-m", "tanq_monai", "phantom", *words), writes=(root / "data",))


def demo_steps(root: Path, settings: Settings, seed: int) -> dict[str, list[Step]]:
    """What every row of the table takes, in an order in which it can be run."""
    truth = root / "data" / "withheld_labels"
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target", "validation")))
    line = Adaptation(scans, root, settings, seed, truth / "validation", truth / "training_target")
    *before, self_training, segment, score, report = line.steps()
    first_round = root / "self_training" / "round_0" / "models"
    shipped = line.segmentation("segment_shipped", Path(SHIPPED), root / LABELS[SHIPPED_AS_THEY_ARE])
    return {
        SHIPPED_AS_THEY_ARE: list(shipped),
        NO_ADAPTATION: plain_segmenter(line, "no_adaptation", scans.source, scans.source),
        # Round 0 of self-training is the segmenter of the translations alone.
        TRANSLATED: [
            *before,
            self_training,
            *line.segmentation("segment_translated_only", first_round, root / LABELS[TRANSLATED]),
        ],
        SELF_TRAINED: [segment, score, report],
        SUPERVISED_BOUND: plain_segmenter(line, "supervised", scans.target, truth / "training_target"),
    }


def plain_segmenter(line: Adaptation, name: str, images: Path, labels: Path) -> list[Step]:
    """Training on scans and labels, without adaptation; labels of the test scans, their scores."""
    folder = line.root / f"{name}_training"
    choices = {"dataset_dir": images, "label_dir": labels, "output_dir": folder, "model_dir": folder / "models"}
    configuration = next(iter(line.settings.self_training["configurations"]))
    training = {**choices, "configuration": configuration, "seed": line.seed, **line.settings.segmenter}
    return [
        bundle_step(f"train_{name}", SEGMENTER, "train", training, (images, labels), (folder / "models",)),
        *line.segmentation(f"segment_{name}", folder / "models", line.root / name),
    ]


def closed_gap(table: pd.DataFrame) -> str:
    """The demo's bar in words: how much of the Dice gap the adaptation closes."""
    shares = [f"{name} {'n/a' if math.isnan(share) else f'{share:.0%}'}" for name, share in gap_closed(table).items()]
    return f"share of the Dice gap that the adaptation closes: {', '.join(shares)}"


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
