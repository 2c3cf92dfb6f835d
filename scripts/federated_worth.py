"""What training together is worth: two hospitals by federation, each by itself, and all their scans in one place.

    python scripts/federated_worth.py --output-dir OUT [--seeds 3] [--num-train 8] [--num-test 8] [--num-rounds 4]

makes virtual patients of both sites, trains the shipped segmenter further on labelled hrT2 (a seed is one of all
trainings; the patients stay), and scores every model on the same test scans of both sites. In each row every scan is
seen as often: the pooled training takes twice the steps of a site. OUT/worth.md has the table after every seed; a run
that was stopped goes on. Rounds are those of `tanq-monai federate` in one process: `make test-federated` shows that
servers end with the same bits.
"""

import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import fire
import numpy as np
import pandas as pd
import torch
from zero_shot import score

from tanq_monai.adaptation.settings import SHIPPED
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.federated.exchange import Request, Training, Update
from tanq_monai.federated.rounds import MODELS, run_rounds
from tanq_monai.federated.site import Site
from tanq_monai.files import check_output_dir, replacing
from tanq_monai.labelling.inference import Inference
from tanq_monai.metrics.statistics import crossed_interval
from tanq_monai.phantom import write_dataset
from tanq_monai.phantom.scanner.protocols import SITES
from tanq_monai.scans.folder import LabelFiles, find_images
from tanq_monai.steps import BUNDLES, SEGMENTER
from tanq_monai.structures import STRUCTURES

NAMES = dict(zip(SITES, ("London", "Tilburg"), strict=True))
UNTRAINED, FEDERATED, POOLED = "shipped weights as they are", "federated", "pooled"
ALONE = {site: f"{name} alone" for site, name in NAMES.items()}
ROWS = (UNTRAINED, *ALONE.values(), FEDERATED, POOLED)


def federated_worth(
    output_dir: str,
    seeds: int = 3,
    size: str = "tiny",
    num_train: int = 8,
    num_test: int = 8,
    num_rounds: int = 4,
    iterations_per_epoch: int = 25,
    learning_rate: float = 0.0003,
    model_dir: str = SHIPPED,
) -> None:
    """Run what is left to do; write the table after every seed, and print the last one.

    Args:
        output_dir: gets everything.
        seeds: trainings of every row, by the seeds 0, 1, 2, ...
        size: of the virtual patients.
        num_train: labelled scans, half of them of each site.
        num_test: scans to score on, half of them of each site.
        num_rounds: of the federation, and of the other rows.
        iterations_per_epoch: steps of a site in a round.
        learning_rate: in the first round.
        model_dir: of the model that all begin with.
    """
    root = check_output_dir(output_dir).resolve()
    data = root / "data"
    if not (data / "withheld_labels" / "patients.csv").exists():  # written last
        write_dataset(data, num_source=0, num_target=num_train, num_test=num_test, size=size, seed=0, workers=1)
    found = []
    for seed in range(seeds):
        training = Training(num_rounds, iterations_per_epoch, learning_rate=learning_rate, seed=seed)
        for row, folder in models(root, Path(model_dir), training):
            place = root / ("untrained" if row == UNTRAINED else f"seed_{seed}/{row}")
            found.append(scores(folder, data, place).assign(row=row, seed=seed))
            sys.stdout.write(f"seed {seed}, {row}: done\n")
        options = f"--seeds {seed + 1} --size {size} --num-train {num_train} --num-test {num_test} --num-rounds "
        options += f"{num_rounds} --iterations-per-epoch {iterations_per_epoch} --learning-rate {learning_rate}"
        text = table(pd.concat(found)) + (
            f"\n{num_train} scans to train on, {num_test} to test, half of each site; {seed + 1} trainings a row (from "
            "seed 0). Mean Dice and 95 % interval over trainings and scans. python scripts/federated_worth.py "
            f"{options}; {platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
            f"{date.today()}. Virtual patients; research only.\n"
        )
        with replacing(root / "worth.md") as temporary:
            temporary.write_text(text)
    sys.stdout.write(f"\n{text}")


def models(root: Path, model_dir: Path, training: Training) -> Iterator[tuple[str, Path]]:
    """Every row and the folder of its model, trained where it is not there."""
    yield UNTRAINED, model_dir
    scans = {site: link_site(root / "data", root / "scans" / site, site) for site in SITES}
    everything = link_site(root / "data", root / "scans" / "all", "")
    twice = replace(training, iterations_per_epoch=len(SITES) * training.iterations_per_epoch)
    rows = {ALONE[site]: ({site: folder}, training) for site, folder in scans.items()}
    rows |= {FEDERATED: (scans, training), POOLED: ({"all": everything}, twice)}
    for row, (folders, of_row) in rows.items():
        place = root / f"seed_{training.seed}" / row
        if not (place / MODELS / "model.pt").exists():  # written last
            run_rounds(model_dir, place, of_row, _Hospitals(place, folders))
        yield row, place / MODELS


def link_site(data: Path, folder: Path, site: str) -> Path:
    """Links to the scans and labels of a site that are trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (data / "training_target", data / "withheld_labels" / "training_target"):
        for file in place.glob(f"*_{site}*.nii.gz"):
            if not (folder / file.name).is_symlink():
                (folder / file.name).symlink_to(file)
    return folder


class _Hospitals:
    """Sites in this process, one after the other."""

    def __init__(self, place: Path, folders: Mapping[str, Path]) -> None:
        choices = {name: {"dataset_dir": str(one), "output_dir": str(place / name)} for name, one in folders.items()}
        self.sites = {name: Site(one | {"device": "cpu", "num_workers": 0}, name) for name, one in choices.items()}

    def __call__(self, request: Request) -> Mapping[str, Update]:
        return {name: site.train(request) for name, site in self.sites.items()}


def scores(model: Path, data: Path, place: Path) -> pd.DataFrame:
    """Dice of every test scan, VS and cochlea; computed once."""
    file = place / "scores.csv"
    if not file.exists():
        labels = place / "labels"
        choices = {"dataset_dir": str(data / "validation"), "ensemble_dir": str(model), "output_dir": str(labels)}
        problems = Inference(BUNDLES / SEGMENTER, "ensemble", choices).run(find_images(data / "validation"), _nothing)
        if problems:
            raise problems[0]
        truth = LabelFiles(data / "withheld_labels" / "validation")
        rows = [score(truth.of(case), case, labels) for case in sorted(truth.cases)]
        with replacing(file) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
    return pd.read_csv(file)


def table(found: pd.DataFrame) -> str:
    """Mean Dice by row, site and structure, as markdown.

    Args:
        found: columns ``row``, ``seed``, ``case``, ``VS``, ``cochlea``.
    """
    columns = [(site, structure) for site in SITES for structure in STRUCTURES]
    lines = [["trained", *(f"{NAMES[site]}'s {structure}" for site, structure in columns)]]
    for row in ROWS:
        cells = [_cell(found[found["row"] == row], site, structure) for site, structure in columns]
        lines.append([row, *cells])
    head, *body = (f"| {' | '.join(cells)} |\n" for cells in lines)
    return "".join([head, "|---" * len(lines[0]) + "|\n", *body])


def _cell(of_row: pd.DataFrame, site: str, structure: str) -> str:
    """Mean, interval over trainings and scans, and how many of these."""
    of_site = of_row[of_row["case"].str.contains(f"_{site}_")]
    matrix = of_site.pivot(index="seed", columns="case", values=structure).dropna(axis=1).to_numpy(dtype=float)
    low, high = crossed_interval(matrix)
    return f"{np.mean(matrix):.3f} ({low:.3f}, {high:.3f}), n = {matrix.shape[1]}"


def _nothing(*_: object) -> None:
    """What is said after every scan."""


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(federated_worth)
