"""All translators of the paper's ablation, trained on the same virtual patients and scored on patients with both scans.

python scripts/ablation.py --output-dir ablation        goes on where it was stopped
"""

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import fire
import monai
import numpy as np
import pandas as pd
import torch

from tanq_monai.adaptation.settings import trial_settings
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, replacing
from tanq_monai.metrics.translation import contrast_ratio, head_mask, psnr, ssim
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.scans.volume import read_volume
from tanq_monai.steps import Step, StepRunner, bundle_step
from tanq_monai.structures import STRUCTURES
from tanq_monai.translation.intensity import from_unit_range, scale_to_unit_range
from tanq_monai.translation.slice_grid import plan_slices

UNTRANSLATED = "ceT1, not translated"


@dataclass(frozen=True)
class Translator:
    """One row of the table.

    Attributes:
        title: of the row.
        training: configs laid over ``train.yaml``.
        inference: configs laid over ``inference.yaml``.
    """

    title: str
    training: tuple[str, ...] = ()
    inference: tuple[str, ...] = ()


def _ablation(title: str, name: str) -> Translator:
    return Translator(title, (f"ablations/{name}",), (f"ablations/{name}",))


TRANSLATORS = {
    "cyclegan": Translator("CycleGAN", ("train_cyclegan",), ("cyclegan",)),
    "cut": _ablation("CUT", "cut"),
    "qs_attn": _ablation("QS-Attn, global", "qs_attn"),
    "qs_attn_local": _ablation("QS-Attn, local", "qs_attn_local"),
    "qs_attn_local_global": _ablation("QS-Attn, local + global", "qs_attn_local_global"),
    "tanq_without_rain": _ablation("TANQ without RAIN", "tanq_without_rain"),
    "tanq_without_seg_decoder": _ablation("TANQ without SegDecoder", "tanq_without_seg_decoder"),
    "tanq": Translator("TANQ"),
}


def ablation(
    output_dir: str,
    size: str = "tiny",
    max_epochs: int = 20,
    num_training: int = 8,
    num_paired: int = 8,
    seed: int = 0,
    only: str | Iterable[str] = tuple(TRANSLATORS),
) -> None:
    """Train, translate and score; print the table and write table.md, table.csv and scores.csv.

    All translators see the same patients, in the same order, for as many epochs, with the losses of their papers and
    one style. The patients scored on have ceT1 and hrT2 on one grid and are none of those trained on.

    Args:
        output_dir: gets patients, models, translations and tables.
        size: tiny or small, the sizes of a trial.
        max_epochs: of every translator; one is a pass over the larger domain's slices.
        num_training: patients with ceT1, and as many others with hrT2.
        num_paired: patients to score on.
        seed: of patients and trainings.
        only: translators to compare, by the names of their configs, separated by commas.
    """
    names = [name.strip() for name in only.split(",")] if isinstance(only, str) else list(only)
    for name in names:
        if name not in TRANSLATORS:
            raise InputError(f"--only {name}", "is not a translator", f"choose among {', '.join(TRANSLATORS)}")
    root = check_output_dir(output_dir).resolve()
    settings = trial_settings(size)
    slices = dict(settings.slices)
    lengths = {key: settings.tanq[key] for key in ("crop", "batch_size")} | {"max_epochs": max_epochs}
    steps = {name: translator_steps(root, name, slices, lengths | {"seed": seed}) for name in names}
    runner = StepRunner(root / "steps", 1 + sum(map(len, steps.values())))
    runner.run(phantom_step(root, settings.phantom_size, num_training, num_paired, seed))
    minutes = {TRANSLATORS[name].title: sum(map(runner.run, own)) / 60 for name, own in steps.items()}
    read = partial(read_patient, pixels=slices["pixels"], pixel_mm=slices["pixel_mm"], slab_mm=slices["slab_mm"])
    scores = pd.DataFrame(score_patients(root, names, read))
    table = summarize(scores).join(pd.Series(minutes, name="minutes"))
    choices = {"size": size, "max_epochs": max_epochs, "num_training": num_training, "num_paired": num_paired}
    _write_tables(root, scores, table, _facts(choices | {"seed": seed}, names))
    sys.stdout.write(f"\n{(root / 'table.md').read_text()}")


def phantom_step(root: Path, size: str, num_training: int, num_paired: int, seed: int) -> Step:
    """Virtual patients to train and to score on."""
    counts = {"num-source": num_training, "num-target": num_training, "num-test": 0, "paired": num_paired}
    options: dict[str, object] = {"output-dir": root / "data", "size": size, "seed": seed} | counts
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return Step("phantom", ("-m", "tanq_monai", "phantom", *words))


def translator_steps(root: Path, name: str, slices: Mapping[str, Any], lengths: Mapping[str, Any]) -> list[Step]:
    """Training of one translator, and its translation of the paired patients' ceT1."""
    translator = TRANSLATORS[name]
    training = {
        "dataset_dir": root / "data",
        "output_dir": root / name,
        "start_from": None,
        "slices_dir": root / "slices",  # of all translators: every scan is read once
    }
    inference = {
        "dataset_dir": root / "data" / "paired",
        "output_dir": root / name / "paired",
        "model_file": root / name / "models" / "model.pt",
    }
    bundle = "tanq_translation"
    return [
        bundle_step(f"train_{name}", bundle, ("train", *translator.training), training | dict(slices) | dict(lengths)),
        bundle_step(f"translate_{name}", bundle, ("inference", *translator.inference), inference | dict(slices)),
    ]


@dataclass(frozen=True)
class Patient:
    """One patient's slices (Z, Y, X): magnitudes in [0, 1] and label."""

    ceT1: np.ndarray
    hrT2: np.ndarray
    label: np.ndarray
    translations: dict[str, np.ndarray]


def read_patient(
    folder: Path, case: str, translated: Mapping[str, Path], pixels: int, pixel_mm: float, slab_mm: float
) -> Patient:
    """The slices that were translated, of the patient ``case`` of ``folder``, scaled as in training."""
    scan = read_volume(folder / f"{case}_ceT1.nii.gz")
    label = read_labels(folder / f"{case}{LABEL_ENDING}", STRUCTURES.values(), scan.grid).labels
    grid = plan_slices(scan.voxels, scan.affine, pixels, pixel_mm, label, slab_mm)
    true = grid.to_slices(read_volume(folder / f"{case}_hrT2.nii.gz").voxels)
    return Patient(
        ceT1=from_unit_range(scale_to_unit_range(grid.to_slices(scan.voxels))),
        hrT2=from_unit_range(scale_to_unit_range(true)),
        label=np.rint(grid.to_slices(label, mode="nearest")),
        translations={title: grid.to_slices(read_volume(path).voxels) for title, path in translated.items()},
    )


def score_patients(root: Path, names: Iterable[str], read: partial[Patient]) -> list[dict[str, Any]]:
    """One row for every translator and patient."""
    rows, folder = [], root / "data" / "paired"
    for case in sorted(path.name.removesuffix("_ceT1.nii.gz") for path in folder.glob("*_ceT1.nii.gz")):
        translated = {TRANSLATORS[name].title: root / name / "paired" / f"{case}_hrT2.nii.gz" for name in names}
        patient = read(folder, case, translated)
        for title, image in (patient.translations | {UNTRANSLATED: patient.ceT1}).items():
            rows.append({"translator": title, "case": case} | score(image, patient.hrT2, patient.label))
    return rows


def score(image: np.ndarray, hrT2: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Errors of one translation against the true hrT2 of the same patient, all of them (Z, Y, X).

    The contrast error is the absolute difference of the ratios of structure to brain; SSIM and PSNR are taken in the
    head.
    """
    head = head_mask(hrT2)
    errors = {
        f"{structure} contrast error": abs(
            contrast_ratio(image, label, value, head) - contrast_ratio(hrT2, label, value, head)
        )
        for structure, value in STRUCTURES.items()
    }
    return errors | {"SSIM": ssim(image, hrT2, head), "PSNR dB": psnr(image, hrT2, head)}


def summarize(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, deviation and number of patients by translator, in the order of the rows; a patient may have no VS."""
    groups = scores.drop(columns="case").groupby("translator", sort=False)
    table = groups.mean().join(groups.std().add_suffix(" sd"))
    counts = groups.count()
    return table.assign(**{"n with VS": counts["VS contrast error"], "n": counts["SSIM"]})


def _facts(choices: Mapping[str, object], names: list[str]) -> str:
    """What was compared, by which command, where and when."""
    words = [word for key, value in choices.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    only = [] if names == list(TRANSLATORS) else ["--only", ",".join(names)]
    command = shlex.join(["python", "scripts/ablation.py", "--output-dir", "ablation", *words, *only])
    machine = f"{platform.processor() or platform.machine()} with {os.cpu_count()} cores"
    machine += f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    versions = f"torch {torch.__version__}, monai {monai.__version__}"
    return (
        "Virtual patients; mean ± sd over the n patients with both scans, one training of each translator."
        f"\n`{command}`, {machine}, {versions}, {date.today()}."
    )


def _write_tables(root: Path, scores: pd.DataFrame, table: pd.DataFrame, facts: str) -> None:
    metrics = [column for column in table.columns if f"{column} sd" in table.columns]
    lines = [
        "| translator | " + " | ".join([*metrics, "n with VS", "n", "minutes"]) + " |",
        "|---" * (len(metrics) + 4) + "|",
    ]
    for title, row in table.iterrows():
        cells = [f"{row[metric]:.2f} ± {row[f'{metric} sd']:.2f}" for metric in metrics]
        minutes = "" if np.isnan(row["minutes"]) else f"{row['minutes']:.1f}"
        lines.append(
            f"| {title} | " + " | ".join([*cells, f"{row['n with VS']:.0f}", f"{row['n']:.0f}", minutes]) + " |"
        )
    contents = {
        "scores.csv": scores.to_csv(index=False),
        "table.csv": table.to_csv(),
        "table.md": "\n".join([*lines, "", facts, ""]),
    }
    for name, content in contents.items():
        with replacing(root / name) as temporary:
            temporary.write_text(content)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(ablation)
