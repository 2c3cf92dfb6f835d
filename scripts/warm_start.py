"""Quality over steps of the unpaired training, from random weights (cold) and from a pretraining on pairs (warm).

python scripts/warm_start.py --output-dir warm           goes on where it was stopped
"""

import os
import platform
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tanq_monai.adaptation.settings import Settings, trial_settings
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.metrics.translation import contrast_ratio, head_mask, ssim
from tanq_monai.networks import TanqGenerator
from tanq_monai.steps import Step, bundle_step, run_steps
from tanq_monai.structures import STRUCTURES
from tanq_monai.translation.magnitude import to_magnitude
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.slices import SliceSize
from tanq_monai.weights import load_weights

Array = NDArray[np.floating]
AIM = 1 / 5  # of the cold training's steps
MEASURES = {"SSIM": 1, **{f"contrast error {name}": -1 for name in STRUCTURES}}  # 1: the higher the better


def warm_start(
    output_dir: str,
    num_pairs: int = 24,
    num_test: int = 8,
    pretraining_epochs: int = 6,
    max_epochs: int = 15,
    size: str = "tiny",
    seed: int = 0,
) -> None:
    """Pretrain, train unpaired cold and warm, by the whole schedule and by one a fifth as long; score every epoch.

    Args:
        output_dir: gets patients, models, quality.csv (a row for every epoch and case) and table.csv.
        num_pairs: patients of the pretraining, scanned with random protocols.
        num_test: other patients with both contrasts, scanned with the sites' protocols, to score on.
        pretraining_epochs: passes over the pairs' slices.
        max_epochs: of the unpaired training, which has the trial's patients of this size.
        size: of the trial.
        seed: of the unpaired patients and of all trainings; the test's is the next, the pairs' the one after it.
    """
    root, settings = check_output_dir(output_dir).resolve(), trial_settings(size)
    lengths = {"cold": max_epochs, "warm": max_epochs}
    lengths |= {f"{name}, short": max(1, round(AIM * max_epochs)) for name in ("cold", "warm")}
    steps = [
        *_phantoms(root, settings, num_pairs, num_test, seed),
        _training(root, "pretraining", "pretrain", settings, max_epochs=pretraining_epochs, seed=seed),
        *(
            _training(root, name, "train", settings, max_epochs=epochs, seed=seed, **_extra(root, name))
            for name, epochs in lengths.items()
        ),
    ]
    seconds = run_steps(root / "steps", steps)
    quality = pd.concat([_score(root, name, settings) for name in ("pretraining", *lengths)], ignore_index=True)
    quality.to_csv(root / "quality.csv", index=False)
    table = compare(quality)
    table.to_csv(root / "table.csv")
    _print(f"\n{table.round(4).to_string()}\n")
    for name in ("pretraining", *lengths):
        _print(f"{name}: {quality[quality['run'] == name]['step'].max()} steps, {seconds[name] / 60:.1f} min")
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    machine += f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    cases = f"{num_test} test patients, {num_pairs} pairs, one training each"
    _print(f"{cases}, size {size}, seed {seed}, {machine}, torch {torch.__version__}, {date.today()}")


def compare(quality: pd.DataFrame) -> pd.DataFrame:
    """One row a measure: where the runs end, and after how many steps the warm one is as good as the cold one ends.

    Args:
        quality: columns run, step, case and the measures.
    """
    means = quality.groupby(["run", "step"])[list(MEASURES)].mean()
    rows = {}
    for measure, sign in MEASURES.items():
        course = {name: sign * group.droplevel("run") for name, group in means[measure].groupby("run")}
        cold, last = course["cold"].iloc[-1], int(course["cold"].index[-1])
        warm = pd.concat([course["pretraining"].tail(1).set_axis([0]), course["warm"]])
        kept = _kept_from(warm, cold)
        rows[measure] = {
            "cold": sign * cold,
            "cold, best epoch": sign * course["cold"].max(),
            "pretrained alone": sign * warm.iloc[0],
            "warm": sign * warm.iloc[-1],
            "cold, short": sign * course["cold, short"].iloc[-1],
            "warm, short": sign * course["warm, short"].iloc[-1],
            "steps of cold": last,
            "warm as good after": _first(warm, cold),
            "and from then on after": kept,
            "share of cold's steps": kept / last,
            "at most a fifth": kept <= AIM * last,
            "short warm as good": course["warm, short"].iloc[-1] >= cold,
        }
    return pd.DataFrame(rows)


def _first(course: "pd.Series[float]", bar: float) -> float:
    """The first step at which ``course`` reaches ``bar``; infinite if it never does."""
    reached = course.index[course >= bar]
    return float(reached[0]) if len(reached) else float("inf")


def _kept_from(course: "pd.Series[float]", bar: float) -> float:
    """The step from which on ``course`` never is below ``bar`` again; infinite if it ends below."""
    below = course.index[course < bar]
    return _first(course[course.index > below[-1]] if len(below) else course, bar)


def _phantoms(root: Path, settings: Settings, num_pairs: int, num_test: int, seed: int) -> Iterator[Step]:
    source, target, _ = settings.phantom_scans
    random = ("--protocols=random",)
    for name, counts, own_seed, extra in (
        ("unpaired", (source, target, 0), seed, ()),
        ("test", (0, 0, num_test), seed + 1, ()),
        ("pairs", (0, 0, num_pairs), seed + 2, random),
    ):
        options = ("--num-source", "--num-target", "--paired")
        numbers = [word for option, count in zip(options, counts, strict=True) for word in (option, str(count))]
        choices = ("--num-test", "0", "--size", settings.phantom_size, "--seed", str(own_seed), *extra)
        folder = str(root / name)
        yield Step(name, ("-m", "tanq_monai", "phantom", "--output-dir", folder, *numbers, *choices))


def _training(root: Path, name: str, config: str, settings: Settings, **choices: Any) -> Step:
    """The training called ``name``, with the slices of the trial and the losses of the config."""
    shared = {key: settings.tanq[key] for key in ("crop", "batch_size")} | {
        **settings.slices,
        "styles": settings.looks["styles"],
    }
    data = root / ("pairs" if config == "pretrain" else "unpaired")
    folders = {"dataset_dir": data, "output_dir": _folder(root, name), "slices_dir": root / "slices"}
    return bundle_step(name, "tanq_translation", (config, "keep_epochs"), folders | shared | choices)


def _extra(root: Path, name: str) -> dict[str, Any]:
    """Choices of an unpaired training: where it starts, and no validation, as every epoch is scored afterwards."""
    warm = {"warm_start": root / "pretraining" / "models" / "model.pt"} if name.startswith("warm") else {}
    return {"validate_every": 0} | warm


def _folder(root: Path, name: str) -> Path:
    return root / name.replace(", ", "_")


def _score(root: Path, name: str, settings: Settings) -> pd.DataFrame:
    """A row for every epoch of a run and every test patient."""
    size = SliceSize(*(settings.slices[key] for key in ("pixels", "pixel_mm", "slab_mm")))
    cases = find_pairs(root / "test" / "paired").cases
    stores = [PairStore([case], size, root / "slices", settings.looks["styles"]) for case in cases]
    network = TanqGenerator(width=settings.slices["width"], num_styles=len(settings.looks["styles"])).eval()
    epochs = sorted((_folder(root, name) / "epochs").glob("*.pt"), key=lambda path: int(path.stem.split("=")[1]))
    steps_of_epoch = torch.load(_folder(root, name) / "checkpoint.pt", weights_only=True)["epoch_length"]
    rows = []
    for path in epochs:
        load_weights(network, path)
        step = int(path.stem.split("=")[1]) * steps_of_epoch
        for case, store in zip(cases, stores, strict=True):
            slices = torch.stack([store[number] for number in range(len(store))])
            with torch.no_grad():
                image = network(slices[:, :2], torch.tensor([int(store.styles[0])]))
            truth, labels = to_magnitude(slices[:, 2]).numpy(), slices[:, 1].numpy()
            measured = measure(to_magnitude(image[:, 0]).numpy(), truth, labels)
            rows.append({"run": name, "step": step, "case": case["case"]} | measured)
    return pd.DataFrame(rows)


def measure(image: Array, truth: Array, labels: Array) -> dict[str, float]:
    """Of a translation against the true hrT2 of a patient, magnitudes and label map (Z, H, W).

    SSIM in the head. Contrast of a structure: its mean over the median of the head outside of both; error: absolute
    difference of the two images' contrasts, NaN for a structure that the patient does not have.
    """
    head, result = head_mask(truth), {}
    for name, value in STRUCTURES.items():
        contrasts = [contrast_ratio(magnitude, labels, value, head) for magnitude in (image, truth)]
        result[f"contrast error {name}"] = abs(contrasts[0] - contrasts[1])
    return {"SSIM": ssim(image, truth, head)} | result


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(warm_start)
