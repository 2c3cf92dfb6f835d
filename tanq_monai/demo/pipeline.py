"""A hospital that no shipped weight has seen: the weights as they are, adapted without labels, trained with labels."""

import math
import platform
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import monai
import numpy as np
import pandas as pd
import torch

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import QUICK, SHIPPED, SIZES, Settings
from tanq_monai.demo.album import LABELS, draw_album
from tanq_monai.demo.report import ADAPTED, INTERVAL, SHIPPED_AS_THEY_ARE, SUPERVISED_BOUND, gap_closed, write_report
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.metrics.statistics import bootstrap_interval
from tanq_monai.steps import SEGMENTER, Step, StepRunner, bundle_step

DEMO_SIZES = {
    "tiny": replace(
        SIZES[QUICK],
        segmenter={**SIZES[QUICK].segmenter, "max_epochs": 3},
        rehearsal=8,
        phantom_size="small",
        phantom_protocols="left_out",
        phantom_scans=(0, 8, 12),
    ),
    "small": replace(SIZES[QUICK], phantom_size="varied", phantom_protocols="left_out", phantom_scans=(0, 20, 24)),
}
"""The quick adaptation, to the vendor at 3 T that the training of the shipped weights leaves out."""


def run_demo(output_dir: str | Path, size: str, seed: int) -> pd.DataFrame:
    """Run the line, or what of it is left to do, and write ``report.html``.

    Args:
        output_dir: gets everything; a stopped demo goes on there.
        size: "tiny" or "small".
        seed: of the phantom and of all trainings.

    Returns:
        One row per segmenter: mean Dice and ASSD (mm) with interval, n, seconds of wall time with training.

    Raises:
        InputError: for a size that is not there, a folder that cannot be used, or a step that failed.
    """
    if size not in DEMO_SIZES:
        raise InputError(f"--size {size}", "is not a size of the demo", f"choose one of {', '.join(DEMO_SIZES)}")
    settings = DEMO_SIZES[size]
    root = check_output_dir(output_dir).resolve()
    phantom = phantom_step(root, settings, seed)
    steps = demo_steps(root, settings, seed)
    runner = StepRunner(root / "steps", 1 + sum(map(len, steps.values())), "demo")
    runner.run(phantom)
    rows = {}
    for title, of_title in steps.items():
        seconds = sum(runner.run(step) for step in of_title)
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
    choices["protocols"] = settings.phantom_protocols
    choices |= {f"num-{name}": count for name, count in counts}
    words = [word for name, value in choices.items() for word in (f"--{name}", str(value))]
    return Step("phantom", ("-m", "tanq_monai", "phantom", *words), writes=(root / "data",))


def demo_steps(root: Path, settings: Settings, seed: int) -> dict[str, list[Step]]:
    """What every row of the table takes, in an order in which it can be run."""
    truth = root / "data" / "withheld_labels"
    scans = Scans(*(root / "data" / name for name in ("training_source", "training_target", "validation")))
    line = Adaptation(scans, root, settings, seed, truth / "validation", truth / "training_target")
    shipped = line.segmentation("segment_shipped", Path(SHIPPED), root / LABELS[SHIPPED_AS_THEY_ARE])
    return {
        SHIPPED_AS_THEY_ARE: list(shipped),
        ADAPTED: list(line.steps()),
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


def _row(scores: Path) -> dict[str, float | str]:
    """Means and intervals of one segmenter, from the rows that the evaluation wrote."""
    rows = pd.read_csv(scores / "scores.csv")
    row: dict[str, float | str] = {}
    for structure, group in rows.groupby("structure"):
        for column, title in (("dice", "Dice"), ("assd_mm", "ASSD mm")):
            values = group[column].dropna().to_numpy()
            row[f"{structure} {title}"] = float(np.mean(values)) if len(values) else math.nan
            row[f"{structure} {title}{INTERVAL}"] = "({:.3f}, {:.3f})".format(*bootstrap_interval(values))
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
