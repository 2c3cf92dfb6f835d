"""What every step of the adaptation is worth: segmenters of virtual patients' hrT2, each scored on the same test scans.

    python scripts/adaptation_steps.py --output-dir OUT [--setting away] [--seeds 3] [--rows tanq,multi_view]

trains the translators and, on translations of each and of several, a segmenter; segmenters with other levels of the VS,
through random filters, with TriD, against an adversary; self-training with those levels, plain and with refinement; the
shipped weights as they are and adapted; and the two ends, ceT1 alone and labelled hrT2; all of it once for every seed,
on the same patients. At home both sites are trained on and tested on; away one site is trained on and the other one
tested on, and the other way round. OUT/scores.csv then has every scan's scores, OUT/steps.md the table with intervals
over trainings and scans, what every row cost, and for every step up the paired difference. Hours on two cores; a run
that was stopped goes on, with other rows and more seeds as well. Seeds may be shared out: ``--seeds [2] --earlier
scores.csv`` trains one more and makes the table of all.
"""

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

import fire
import numpy as np
import pandas as pd
import torch

from tanq_monai.adaptation import Adaptation, Scans
from tanq_monai.adaptation.line import TRAINED_VIEWS
from tanq_monai.adaptation.settings import QUICK, SHIPPED, SIZES, Settings, trial_settings
from tanq_monai.demo.pipeline import phantom_step, plain_segmenter
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, replacing
from tanq_monai.metrics.statistics import METRICS, crossed_interval
from tanq_monai.phantom.scanner.protocols import SITES
from tanq_monai.steps import Step, StepRunner
from tanq_monai.structures import STRUCTURES

# Which views the translations of a row are made in.
VIEWS = {
    "signal": ("signal",),
    "cyclegan": ("cyclegan",),
    "cosmos": ("cyclegan",),
    "exemplar": ("exemplar",),
    "tanq": ("tanq",),
    "multi_view": ("tanq", "cyclegan"),
    "three_views": ("tanq", "cyclegan", "signal"),
}
# Choices of the training of a row's own CycleGAN.
CYCLEGANS: dict[str, dict[str, Any]] = {"cosmos": {"seg_decoders": True}}
# Rounds after the levels: choices of self_training.yaml, each a step more than the one before.
VARIANTS = {
    "self_training": {"refinement": {"refine": False}},
    "refinement": {"refinement": {"refine": True}},
}
# What every step is a step from.
BASES = {
    "signal": "no_adaptation",
    "cyclegan": "no_adaptation",
    "cosmos": "cyclegan",
    "exemplar": "no_adaptation",
    "tanq": "no_adaptation",
    "multi_view": "tanq",
    "three_views": "multi_view",
    "tanq_levels": "tanq",
    "levels": "multi_view",
    "appearance": "multi_view",
    "trid": "multi_view",
    "adversary": "multi_view",
    "self_training": "levels",
    "refinement": "self_training",
    "quick": "shipped",
}
TITLES = {
    "no_adaptation": "no adaptation",
    "signal": "signal equations",
    "cyclegan": "CycleGAN",
    "cosmos": "CycleGAN with SegDecoders",
    "exemplar": "looks from exemplars",
    "tanq": "TANQ",
    "multi_view": "multi-view",
    "three_views": "+ signal equations",
    "tanq_levels": "TANQ + VS levels",
    "levels": "+ VS levels",
    "appearance": "+ random filters",
    "trid": "+ TriD",
    "adversary": "+ adversary",
    "self_training": "+ self-training",
    "refinement": "+ refinement",
    "shipped": "shipped weights",
    "quick": "shipped weights, adapted",
    "supervised": "supervised",
}
COLUMNS = [(structure, metric) for structure in STRUCTURES for metric in METRICS]
SCORES = ("row", "seed", "line", "case", "structure", "dice", "assd_mm", "minutes")
SUBSETS = ("training_source", "training_target", "validation")


def adaptation_steps(
    output_dir: str,
    setting: Literal["home", "away"] = "home",
    size: str = "small",
    seeds: int | Sequence[int] = 1,
    num_test: int = 24,
    rounds: int = 2,
    rows: str | Sequence[str] = tuple(TITLES),
    earlier: str | None = None,
) -> None:
    """Run what is left to do; write the table after every seed, and print the last one.

    Args:
        output_dir: gets everything.
        setting: home or away.
        size: of the trial: patients, slices, trainings.
        seeds: of the trainings of every row, or how many: 0, 1, 2, ...; the patients are those of seed 0.
        num_test: test scans.
        rounds: of self-training.
        rows: which, of ``TITLES``; what they build on is trained as well.
        earlier: a ``scores.csv`` of other seeds, by the same choices.
    """
    wanted = [rows] if isinstance(rows, str) else list(rows)
    if unknown := [name for name in wanted if name not in TITLES]:
        raise InputError(f"--rows {unknown[0]}", "is no row", f"choose of {', '.join(TITLES)}")
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    found = [] if earlier is None else [_read_scores(earlier, num_test, chosen)]
    settings = trial_settings(size)
    settings = replace(settings, phantom_scans=(*settings.phantom_scans[:2], num_test))
    root = check_output_dir(output_dir).resolve()
    StepRunner(root / "steps", 1, "patients").run(phantom_step(root, settings, seed=0))
    length = f"{settings.segmenter['max_epochs']} x {settings.segmenter['iterations_per_epoch']}"
    command = f"--setting {setting} --size {size} --num-test {num_test} --rounds {rounds} --rows {','.join(wanted)}"
    text = ""
    for seed in chosen:
        for line in lines_of(setting, root, settings, seed):
            found.append(_scores(line, seed, wanted, rounds))
        scores = pd.concat(found)
        trained = sorted(map(int, scores["seed"].unique()))
        text = tables(scores) + (
            f"\n{num_test} test scans, {len(trained)} trainings a row; every segmenter {length} steps. "
            "Mean and 95 % interval over trainings and scans; minutes of a training of the row with all that it builds "
            f"on. python scripts/adaptation_steps.py --output-dir OUT {command} --seeds '{trained}'; "
            f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today()}. "
            "Virtual patients; research only.\n"
        )
        with replacing(root / "scores.csv") as temporary:
            scores.to_csv(temporary, index=False, float_format="%.4f")
        with replacing(root / "steps.md") as temporary:
            temporary.write_text(text)
    sys.stdout.write(f"\n{text}")


def _read_scores(file: str, num_test: int, seeds: Sequence[int]) -> pd.DataFrame:
    """Scores of another run, of the same test scans and of no seed that is trained now."""
    try:
        scores = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise InputError(file, f"cannot be read ({error})", "give the scores.csv of an earlier run") from error
    if missing := [name for name in SCORES if name not in scores]:
        raise InputError(file, f"has no column {missing[0]}", "give the scores.csv of an earlier run")
    if unknown := sorted(set(scores["row"]) - set(TITLES)):
        raise InputError(file, f"has a row {unknown[0]}, which is none", "give a run of this script as it is")
    if (scanned := scores["case"].nunique()) != num_test:
        raise InputError(file, f"has scores of {scanned} scans, not {num_test}", "give its --num-test")
    if twice := sorted(set(scores["seed"]) & set(seeds)):
        raise InputError(file, f"has seed {twice[0]} already", "choose other --seeds")
    return scores[list(SCORES)]


def _scores(line: Adaptation, seed: int, wanted: Sequence[str], rounds: int) -> pd.DataFrame:
    """Run what the rows of one line need; scores of every row and scan."""
    steps_of = needed(line, rounds)
    steps = {step.name: step for name in wanted for step in steps_of[name]}
    runner = StepRunner(line.root / "steps", len(steps), f"seed {seed}, {line.root.name}")
    took = {name: runner.run(step) for name, step in steps.items()}
    found = []
    for name in wanted:
        minutes = sum(took[step.name] for step in steps_of[name]) / 60
        scores = pd.read_csv(line.root / f"{name}_scores" / "scores.csv")
        found.append(scores.assign(row=name, seed=seed, line=line.root.name, minutes=minutes)[list(SCORES)])
    return pd.concat(found)


def lines_of(setting: str, root: Path, settings: Settings, seed: int) -> Iterator[Adaptation]:
    """The adaptations whose test scans make up a row: one at home, one for every site to train on away."""
    if setting == "home":
        yield _line(root / "data", root / f"seed_{seed}" / "both", settings, seed)
        return
    for number, site in enumerate(SITES):
        data = root / f"data_{site}"
        link_site(root / "data", data, site)
        looks = {key: [value[number]] for key, value in settings.looks.items() if isinstance(value, list)}
        own = replace(settings, looks={**settings.looks, **looks})
        yield _line(data, root / f"seed_{seed}" / site, own, seed)


def link_site(data: Path, output: Path, site: str) -> None:
    """Links to the scans that are trained on at one site, and to those for testing of all others."""
    for subset in SUBSETS:
        for folder in (Path(subset), Path("withheld_labels", subset)):
            (output / folder).mkdir(parents=True, exist_ok=True)
            for file in sorted((data / folder).glob("*.nii.gz")):
                link = output / folder / file.name
                if (f"_{site}_" in file.name) == (subset != "validation") and not link.is_symlink():
                    link.symlink_to(file)


def _line(data: Path, root: Path, settings: Settings, seed: int) -> Adaptation:
    truth = data / "withheld_labels"
    scans = Scans(*(data / name for name in SUBSETS))
    return Adaptation(scans, root, settings, seed, truth / "validation", truth / "training_target")


def needed(line: Adaptation, rounds: int) -> dict[str, list[Step]]:
    """What has to be run for every row, in order, all that it builds on included."""
    rows = {"no_adaptation": plain_segmenter(line, "no_adaptation", line.scans.source, line.scans.source)}
    for name, views in VIEWS.items():
        translators = [line.translator_training(view) for view in views if view in TRAINED_VIEWS]
        trainings = {}
        if name in CYCLEGANS:
            translators, trainings = [line.translator_training("cyclegan", name, **CYCLEGANS[name])], {"cyclegan": name}
        looks = {"exemplars": _exemplars(line)} if "exemplar" in views else {}
        translation = line.translation(views, f"translated_{name}", trainings, **looks)
        rows[name] = [*translators, translation, *_trained(line, name, translated=f"translated_{name}", rounds=0)]
    levels = {"level_ranges": [{"VS": ranges["VS"]} for ranges in line.settings.looks["level_ranges"]]}
    segmenters: dict[str, tuple[str, dict[str, Any]]] = {
        "tanq_levels": ("tanq", levels),
        "levels": ("multi_view", levels),
        "appearance": ("multi_view", {"appearance": 0.5}),
        "trid": ("multi_view", {"feature_statistics": 0.5}),
        "adversary": ("multi_view", {"adversary": 0.1}),
    }
    for name, (base, choices) in segmenters.items():
        *translated, _, _, _ = rows[base]
        training = {**line.settings.segmenter, **choices}
        segmenter = _trained(line, name, translated=f"translated_{base}", rounds=0, training=training)
        rows[name] = [*translated, *segmenter]
    begun = {"translated": "translated_multi_view", "first_ensemble": line.root / "levels_training" / "models"}
    training = {**line.settings.segmenter, **levels}
    for name, choices in VARIANTS.items():
        segmenter = _trained(line, name, rounds=rounds, stop_agreement=2, training=training, **begun, **choices)
        rows[name] = [*rows["levels"][:-2], *segmenter]
    quick = replace(line, settings=SIZES[QUICK])
    rows["shipped"] = list(quick.segmentation("segment_shipped", Path(SHIPPED), line.root / "shipped"))
    rows["quick"] = [quick.virtual_patients(), *_trained(quick, "quick")]
    truth = line.target_truth or line.root
    rows["supervised"] = plain_segmenter(line, "supervised", line.scans.target, truth)
    return rows


def _exemplars(line: Adaptation) -> list[str]:
    """The first hrT2 scan of every look that is trained on."""
    scans = sorted(line.scans.target.glob("*.nii.gz"))
    return [str(next(scan for scan in scans if style in scan.name)) for style in line.settings.looks["styles"]]


def _trained(line: Adaptation, name: str, **choices: Any) -> list[Step]:
    """Training of a row's segmenter, labels of the test scans, their scores."""
    models = line.root / f"{name}_training" / "models"
    scored = line.segmentation(f"segment_{name}", models, line.root / name)
    return [line.self_training(f"{name}_training", **choices), *scored]


def tables(scores: pd.DataFrame) -> str:
    """Every row's scores, and every step's difference to what it is a step from, as markdown.

    Args:
        scores: columns ``SCORES``; minutes are those of the row's line, of which there are two away. A step is compared
            within the seeds that both its rows have.
    """
    heads = [f"{structure} {'Dice' if metric == 'dice' else 'ASSD mm'}" for structure, metric in COLUMNS]
    rows, steps = [["segmenter", *heads, "minutes"]], [["step", *heads]]
    present = [name for name in TITLES if (scores["row"] == name).any()]
    values = {name: {column: _matrix(scores[scores["row"] == name], *column) for column in COLUMNS} for name in present}
    for name in present:
        spent = scores[scores["row"] == name].drop_duplicates(["seed", "line"]).groupby("seed")["minutes"].sum()
        rows.append([TITLES[name], *(_interval(values[name][column]) for column in COLUMNS), f"{spent.mean():.0f}"])
        if (base := BASES.get(name)) in present:
            both = [values[name][column].align(values[base][column], join="inner") for column in COLUMNS]
            steps.append([f"{TITLES[name]} - {TITLES[base]}", *(_interval(one - other) for one, other in both)])
    return f"{_markdown(rows)}\n{_markdown(steps)}"


def _matrix(scores: pd.DataFrame, structure: str, metric: str) -> pd.DataFrame:
    """(trainings, cases); a case whose truth lacks the structure is in no column."""
    return scores[scores["structure"] == structure].pivot(index="seed", columns="case", values=metric).dropna(axis=1)


def _interval(values: pd.DataFrame) -> str:
    matrix = values.to_numpy(dtype=float)
    low, high = crossed_interval(matrix)
    return f"{np.mean(matrix):.3f} ({low:.3f}, {high:.3f})"


def _markdown(table: list[list[str]]) -> str:
    head, *rows = (f"| {' | '.join(cells)} |\n" for cells in table)
    return "".join([head, "|---" * len(table[0]) + "|\n", *rows])


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(adaptation_steps)
