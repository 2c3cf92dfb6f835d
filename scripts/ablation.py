"""The paper's Table 2 and Figures 3, 4 b and 5: all translators of its ablation, on the same virtual patients.

    python scripts/ablation.py --output-dir ablation

trains every translator, compares its translations with the true hrT2 of patients that have both scans, and trains
segmenters on them, without and with self-training, which are scored on these patients' hrT2. Goes on where it was
stopped.
"""

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import fire
import monai
import numpy as np
import pandas as pd
import torch
from ablation_figures import load_network, methods_figure, places_figure

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.settings import Settings, trial_settings
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing, replacing
from tanq_monai.metrics.statistics import METRICS, bootstrap_interval
from tanq_monai.metrics.translation import contrast_ratio, head_mask, psnr, ssim
from tanq_monai.networks import FeatureSampler, TanqGenerator
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.scans.volume import read_volume
from tanq_monai.steps import TRANSLATOR, Step, StepRunner, bundle_step
from tanq_monai.structures import STRUCTURES
from tanq_monai.translation.intensity import from_unit_range, scale_to_unit_range
from tanq_monai.translation.slice_grid import plan_slices

UNTRANSLATED = "ceT1, not translated"
TRANSLATED = "translated"  # folder of the scans that segmenters are trained on


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
    "instance_norm_with_seg_decoder": _ablation("instance norm with SegDecoder", "instance_norm_with_seg_decoder"),
    "tanq_without_rain": _ablation("TANQ without RAIN", "tanq_without_rain"),
    "tanq_without_seg_decoder": _ablation("TANQ without SegDecoder", "tanq_without_seg_decoder"),
    "tanq_from_1_pixel": _ablation("TANQ, structures from 1 pixel", "tanq_from_1_pixel"),
    "tanq_from_2_pixels": _ablation("TANQ, structures from 2 pixels", "tanq_from_2_pixels"),
    "tanq": Translator("TANQ"),
}
# What segmenters are trained on besides one translator's scans, by the name of its folder.
NOT_TRANSLATED, BOTH_VIEWS = "not_translated", "multi_view"
TITLES = {
    NOT_TRANSLATED: UNTRANSLATED,
    **{name: one.title for name, one in TRANSLATORS.items()},
    BOTH_VIEWS: "both views",
}
FIGURE_4B = ("qs_attn", "instance_norm_with_seg_decoder", "tanq")
FIGURE_5 = ("qs_attn", "qs_attn_local", "qs_attn_local_global", "tanq")
SEGMENTED = {"": "translations", "_self_trained": "and self-training"}  # by the ending of the labels' folder


def ablation(
    output_dir: str,
    size: str = "tiny",
    max_epochs: int = 20,
    num_training: int = 8,
    num_paired: int = 8,
    rounds: int = 1,
    seed: int = 0,
    only: str | Iterable[str] = tuple(TRANSLATORS),
) -> None:
    """Train, translate, segment and score; print the tables, write table.md, the scores as CSV and the figures.

    All translators see the same patients, in the same order, for as many epochs, with the losses of their papers and
    one style; all segmenters take as many steps. The patients scored on have ceT1 and hrT2 on one grid and are none of
    those trained on.

    Args:
        output_dir: gets patients, models, translations, labels, tables and figures.
        size: tiny or small, the sizes of a trial.
        max_epochs: of every translator; one is a pass over the larger domain's slices.
        num_training: patients with ceT1, and as many others with hrT2.
        num_paired: patients to score on.
        rounds: of self-training, on labels as they are; the paper's are 4.
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
    phantom = phantom_step(root, settings.phantom_size, num_training, num_paired, seed)
    StepRunner(root / "steps", 1, "patients").run(phantom)
    minutes = {}
    for name in names:
        minutes[TRANSLATORS[name].title] = _run(
            root, name, translator_steps(root, name, slices, lengths | {"seed": seed})
        )
    segmented = [NOT_TRANSLATED, *names]
    if {"tanq", "cyclegan"} <= set(names):
        _run(root, BOTH_VIEWS, [both_views_step(root, slices)])
        segmented.append(BOTH_VIEWS)
    settings = replace(settings, self_training={**settings.self_training, "refinement": {"refine": False}})
    for name in segmented:
        _run(root, name, segmenter_steps(root, name, settings, rounds, seed))
    read = partial(read_patient, pixels=slices["pixels"], pixel_mm=slices["pixel_mm"], slab_mm=slices["slab_mm"])
    scores = pd.DataFrame(score_patients(root, names, read))
    table = summarize(scores).join(pd.Series(minutes, name="minutes"))
    choices = {"size": size, "max_epochs": max_epochs, "num_training": num_training, "num_paired": num_paired}
    _write_tables(root, scores, table, _facts(choices | {"rounds": rounds, "seed": seed}, names), segmented)
    write_figures(root, names, read)
    sys.stdout.write(f"\n{(root / 'table.md').read_text()}")


def _run(root: Path, name: str, steps: Sequence[Step]) -> float:
    """Minutes of all steps of one row."""
    runner = StepRunner(root / name / "steps", len(steps), name)
    return sum(map(runner.run, steps)) / 60


def phantom_step(root: Path, size: str, num_training: int, num_paired: int, seed: int) -> Step:
    """Virtual patients to train and to score on."""
    counts = {"num-source": num_training, "num-target": num_training, "num-test": 0, "paired": num_paired}
    options: dict[str, object] = {"output-dir": root / "data", "size": size, "seed": seed} | counts
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return Step("phantom", ("-m", "tanq_monai", "phantom", *words))


def translator_steps(root: Path, name: str, slices: Mapping[str, Any], lengths: Mapping[str, Any]) -> list[Step]:
    """Training of one translator, and its translations: of the paired patients, and of those for segmenters."""
    translator, data, model = TRANSLATORS[name], root / "data", root / name / "models" / "model.pt"
    training = {
        "dataset_dir": data,
        "output_dir": root / name,
        "start_from": None,
        "slices_dir": root / "slices",  # of all translators: every scan is read once
        **slices,
        **lengths,
    }
    steps = [bundle_step("train", TRANSLATOR, ("train", *translator.training), training, writes=[model])]
    for source, output in ((data / "paired", "paired"), (data / "training_source", TRANSLATED)):
        folders = {"dataset_dir": source, "output_dir": root / name / output, "model_file": model}
        reads, writes = (source, model), [root / name / output]
        inference = ("inference", *translator.inference)
        steps.append(bundle_step(f"translate_{output}", TRANSLATOR, inference, folders | dict(slices), reads, writes))
    return steps


def both_views_step(root: Path, slices: Mapping[str, Any]) -> Step:
    """Translation in the views of TANQ and CycleGAN, the paper's multi-view."""
    models = {f"{view}_model_file": root / view / "models" / "model.pt" for view in ("tanq", "cyclegan")}
    source, output = root / "data" / "training_source", root / BOTH_VIEWS / TRANSLATED
    choices = {"dataset_dir": source, "output_dir": output, **models, **slices}
    return bundle_step("translate", TRANSLATOR, "multi_view", choices, (source, *models.values()), (output,))


def segmenter_steps(root: Path, name: str, settings: Settings, rounds: int, seed: int) -> list[Step]:
    """Training on the translations of ``name``, self-training, and the scores of both on the paired patients' hrT2."""
    data = root / "data"
    line = Adaptation(
        Scans(*(data / folder for folder in ("training_source", "training_target", "paired"))),
        root / name,
        settings,
        seed,
        truth=data / "paired",
    )
    images = data / "training_source" if name == NOT_TRANSLATED else root / name / TRANSLATED
    labels = images if name == BOTH_VIEWS else data / "training_source"
    folders = {"dataset_dir": images, "label_dir": labels}
    models = {"": line.root / "segmenter" / "round_0" / "models", "_self_trained": line.root / "segmenter" / "models"}
    steps = [line.self_training("segmenter", translated=TRANSLATED, rounds=rounds, **folders)]
    for ending in SEGMENTED:
        steps.extend(line.segmentation(f"segment{ending}", models[ending], line.root / f"labels{ending}"))
    return steps


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


def paired_cases(root: Path) -> list[str]:
    """Names of the patients with both scans."""
    return sorted(path.name.removesuffix("_ceT1.nii.gz") for path in (root / "data" / "paired").glob("*_ceT1.nii.gz"))


def score_patients(root: Path, names: Iterable[str], read: partial[Patient]) -> list[dict[str, Any]]:
    """One row for every translator and patient."""
    rows, folder = [], root / "data" / "paired"
    for case in paired_cases(root):
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


def segmentation_scores(root: Path, names: Iterable[str]) -> pd.DataFrame:
    """Every patient's scores by the segmenters of every row, as the evaluation wrote them, without and with rounds."""
    return pd.concat(
        pd.read_csv(root / name / f"labels{ending}_scores" / "scores.csv").assign(
            row=TITLES[name], trained_on=trained_on
        )
        for name in names
        for ending, trained_on in SEGMENTED.items()
    )


def segmentation_table(scores: pd.DataFrame) -> list[str]:
    """The paper's Table 2 as lines of markdown: mean with 95 % bootstrap interval over the patients."""
    columns = [
        (trained_on, name, metric) for trained_on in SEGMENTED.values() for name in STRUCTURES for metric in METRICS
    ]
    heads = [
        f"{trained_on}: {name} {'Dice' if metric == 'dice' else 'ASSD mm'}" for trained_on, name, metric in columns
    ]
    lines = [f"| segmenter of | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for title, rows in scores.groupby("row", sort=False):
        cells = []
        for trained_on, name, metric in columns:
            chosen = rows[(rows["trained_on"] == trained_on) & (rows["structure"] == name)]
            values = chosen[metric].dropna().to_numpy()
            cells.append("{:.3f} ({:.3f}, {:.3f})".format(np.mean(values), *bootstrap_interval(values)))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def translation_table(table: pd.DataFrame) -> list[str]:
    """What :func:`summarize` gave, and minutes, as lines of markdown."""
    metrics = [column for column in table.columns if f"{column} sd" in table.columns]
    lines = [
        "| translator | " + " | ".join([*metrics, "n with VS", "n", "minutes"]) + " |",
        "|---" * (len(metrics) + 4) + "|",
    ]
    for title, row in table.iterrows():
        cells = [f"{row[metric]:.2f} ± {row[f'{metric} sd']:.2f}" for metric in metrics]
        minutes = "" if np.isnan(row["minutes"]) else f"{row['minutes']:.1f}"
        counts = [f"{row['n with VS']:.0f}", f"{row['n']:.0f}", minutes]
        lines.append(f"| {title} | {' | '.join([*cells, *counts])} |")
    return lines


def _write_tables(root: Path, scores: pd.DataFrame, table: pd.DataFrame, facts: str, segmented: Iterable[str]) -> None:
    segmentations = segmentation_scores(root, segmented)
    contents = {
        "scores.csv": scores.to_csv(index=False),
        "segmentation_scores.csv": segmentations.to_csv(index=False),
        "table.csv": table.to_csv(),
        "table.md": "\n".join([*segmentation_table(segmentations), "", *translation_table(table), "", facts, ""]),
    }
    for name, content in contents.items():
        with replacing(root / name) as temporary:
            temporary.write_text(content)


def write_figures(root: Path, names: Sequence[str], read: partial[Patient]) -> None:
    """The paper's Figures 3, 4 b and 5 of the paired patient with the largest VS, as far as their rows are there."""
    folder = root / "data" / "paired"
    patients = {case: read(folder, case, {}) for case in paired_cases(root)}
    areas = {case: np.equal(patient.label, STRUCTURES["VS"]).sum(axis=(1, 2)) for case, patient in patients.items()}
    case = max(areas, key=lambda one: areas[one].max())
    if not areas[case].any():
        raise InputError(folder, "has no patient with a VS to draw", "choose another --seed, or more --num-paired")
    translations = {name: root / name / "paired" / f"{case}_hrT2.nii.gz" for name in names}
    for file, shown in (("figure_3.png", names), ("figure_4b.png", [name for name in FIGURE_4B if name in names])):
        columns = {TRANSLATORS[name].title: translations[name] for name in shown}
        _write(root / file, methods_figure(folder, case, columns))
    if attending := [name for name in FIGURE_5 if name in names]:
        networks = {TRANSLATORS[name].title: _network(root, name) for name in attending}
        z = areas[case].argmax()
        _write(root / "figure_5.png", places_figure(patients[case].ceT1[z], patients[case].label[z], networks))


def _network(root: Path, name: str) -> tuple[TanqGenerator, FeatureSampler]:
    return load_network(root / name / "models", ("train", *TRANSLATORS[name].training))


def _write(file: Path, picture: bytes) -> None:
    with renewing(file) as temporary:
        temporary.write_bytes(picture)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(ablation)
