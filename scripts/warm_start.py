"""What an unpaired training on the scans of a new hospital is worth, by what it starts from.

python scripts/warm_start.py --output-dir warm           goes on where it was stopped
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from tanq_monai.adaptation.settings import Settings, trial_settings
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.metrics.translation import contrast_ratio, head_mask, ssim
from tanq_monai.networks import TanqGenerator
from tanq_monai.steps import BUNDLES, Step, bundle_step, run_steps
from tanq_monai.structures import STRUCTURES
from tanq_monai.translation.magnitude import to_magnitude
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.signal_translator import SignalTranslator
from tanq_monai.translation.slices import SliceSize
from tanq_monai.weights import started_from

Array = NDArray[np.floating]
Translate = Callable[[Tensor], Tensor]
CONFIGS = BUNDLES / "tanq_translation" / "configs"
SHIPPED = BUNDLES / "tanq_translation" / "models"
GENERATOR_ALONE = "generator_alone"
MEASURES = ("SSIM", *(f"contrast error {name}" for name in STRUCTURES))
RATE = 0.0002  # the paper's
STARTS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "from nothing": (None, {}),
    "from the shipped generator alone": (GENERATOR_ALONE, {}),
    "from all that is shipped": (str(SHIPPED), {}),
    "the same, a quarter of the rate": (str(SHIPPED), {"learning_rate": RATE / 4}),
    "the same, levels held": (str(SHIPPED), {"learning_rate": RATE / 4, "weights#levels": 20.0}),
}
"""Trainings: the folder of models that each starts from, and choices of its own."""


def warm_start(
    output_dir: str,
    num_test: int = 8,
    max_epochs: int = 2,
    size: str = "small",
    seed: int = 0,
) -> None:
    """Train on unpaired scans of the vendor that is left out, from different starts; score every epoch.

    Args:
        output_dir: gets patients, models, quality.csv (a row for every run, epoch and case) and table.csv.
        num_test: other patients with both contrasts, hrT2 of the vendor, to score on.
        max_epochs: of the unpaired trainings, which have as many patients as the trial of this size.
        size: of the trial.
        seed: of the unpaired patients and of all trainings; the test's is the next.
    """
    root, settings = check_output_dir(output_dir).resolve(), trial_settings(size)
    alone = root / GENERATOR_ALONE / "models"
    alone.mkdir(parents=True, exist_ok=True)
    for name in ("model.pt", "model.json"):
        shutil.copyfile(SHIPPED / name, alone / name)
    steps = [
        *_phantoms(root, settings, num_test, seed),
        *(
            _training(root, name, settings, max_epochs=max_epochs, seed=seed, **_start(root, folder), **own)
            for name, (folder, own) in STARTS.items()
        ),
    ]
    seconds = run_steps(root / "steps", steps)
    quality = pd.concat(_scores(root, settings), ignore_index=True)
    table = quality.groupby(["run", "step"], sort=False)[list(MEASURES)].mean().reset_index()
    for name, rows in (("quality", quality), ("table", table)):
        with renewing(root / f"{name}.csv") as temporary:
            rows.to_csv(temporary, index=False)
    _print(f"\n{table.round(3).to_string(index=False)}\n")
    for name in STARTS:
        _print(f"{name}: {seconds[_word(name)] / 60:.1f} min")
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    machine += f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    cases = f"{num_test} test patients, one training each"
    _print(f"{cases}, size {size}, seed {seed}, {machine}, torch {torch.__version__}, {date.today()}")


def _phantoms(root: Path, settings: Settings, num_test: int, seed: int) -> Iterator[Step]:
    source, target, _ = settings.phantom_scans
    for name, counts, own_seed in (("unpaired", (source, target, 0), seed), ("test", (0, 0, num_test), seed + 1)):
        options = ("--num-source", "--num-target", "--paired")
        numbers = [word for option, count in zip(options, counts, strict=True) for word in (option, str(count))]
        choices = ("--num-test", "0", "--size", settings.phantom_size, "--seed", str(own_seed))
        folder = ("--output-dir", str(root / name), "--protocols", "left_out")
        yield Step(name, ("-m", "tanq_monai", "phantom", *folder, *numbers, *choices))


def _training(root: Path, name: str, settings: Settings, **choices: Any) -> Step:
    """The training called ``name``, with the slices of the trial and one look of hrT2."""
    shared = {key: settings.tanq[key] for key in ("crop", "batch_size")} | dict(settings.slices)
    folders = {"dataset_dir": root / "unpaired", "output_dir": root / _word(name), "slices_dir": root / "slices"}
    return bundle_step(_word(name), "tanq_translation", ("train", "keep_epochs"), folders | shared | choices)


def _start(root: Path, folder: str | None) -> dict[str, Any]:
    """Choices of an unpaired training: where it starts, and no validation, as every epoch is scored afterwards."""
    start = None if folder is None else SHIPPED if folder == str(SHIPPED) else root / folder / "models"
    return {"start_from": start, "validate_every": 0}


def _word(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "_")


def _scores(root: Path, settings: Settings) -> Iterator[pd.DataFrame]:
    """Of what needs no training on the hospital's scans, and of every epoch of what does."""
    size = SliceSize(*(settings.slices[key] for key in ("pixels", "pixel_mm", "slab_mm")))
    cases = find_pairs(root / "test" / "paired").cases
    stores = {case["case"]: PairStore([case], size, root / "slices") for case in cases}
    patients = {name: torch.stack([store[n] for n in range(len(store))]) for name, store in stores.items()}
    protocols = yaml.safe_load((CONFIGS / "multi_view.yaml").read_text(encoding="utf-8"))["signal_protocols"]
    equations = SignalTranslator(size.pixel_mm, list(protocols.values()))
    for number, name in enumerate(protocols):
        yield _score(f"signal equations, {name}", 0, partial(equations, style=torch.tensor([number])), patients)
    yield _score("shipped, as it is", 0, _generator(settings, SHIPPED, "model.pt"), patients)
    for name in STARTS:
        folder = root / _word(name)
        epoch_length = torch.load(folder / "checkpoint.pt", weights_only=True)["epoch_length"]
        epochs = sorted((folder / "epochs").glob("*.pt"), key=lambda path: int(path.stem.split("=")[1]))
        for epoch, path in enumerate(epochs, start=1):
            yield _score(name, epoch * epoch_length, _generator(settings, path.parent, path.name), patients)


def _generator(settings: Settings, folder: Path, name: str) -> Translate:
    network = started_from(TanqGenerator(width=settings.slices["width"]), folder, name).eval()
    return torch.no_grad()(network)


def _score(run: str, step: int, translate: Translate, patients: dict[str, Tensor]) -> pd.DataFrame:
    """A row for every test patient."""
    rows = []
    for case, slices in patients.items():
        made = to_magnitude(translate(slices[:, :2])[:, 0]).numpy()
        truth, labels = to_magnitude(slices[:, 2]).numpy(), slices[:, 1].numpy()
        rows.append({"run": run, "step": step, "case": case} | measure(made, truth, labels))
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
