"""Koos grades estimated on virtual patients beside their own, and where the porus is thought to lie beside where it is.

    tanq-monai phantom --output-dir D --num-source 0 --num-target 0 --num-test N --size crop --intra-extrameatal
    tanq-monai segment D/validation --output-dir LABELS
    python scripts/koos.py --phantom D --labels LABELS

Without LABELS the true labels are graded. A virtual VS takes the place of brain and pushes nothing aside: III and IV
are one class, as they are to the estimate. The grade of a virtual patient goes by how deep the VS reaches into where
brainstem or cerebellum would be; its canal ends at the surface of the petrous bone, by which the true label is cut.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import fire
import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.koos import GRADES, Koos, estimate_koos
from tanq_monai.anatomy.measured import find_anatomy
from tanq_monai.anatomy.porus import find_porus
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.statistics import RESAMPLES
from tanq_monai.phantom.dataset.cases import WITHHELD
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDING, LABEL_ENDING
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import STRUCTURES, VS_PARTS, Structures

TRUE = Structures({name: value for value, name in enumerate((*VS_PARTS, "cochlea"), start=1)})


class Case(NamedTuple):
    """A patient with a VS.

    Args:
        grade: the true one, of :data:`GRADES`.
        found: the estimate.
        canal_ml: volume of the true VS in the canal.
        lateral_ml: of the true VS lateral of the porus as it is estimated.
        dice: of these two.
    """

    grade: str
    found: Koos
    canal_ml: float
    lateral_ml: float
    dice: float


def koos(phantom: str, labels: str | None = None) -> None:
    """Estimate, compare, print.

    Args:
        phantom: folder of virtual patients with test scans, and labels of both parts of a VS.
        labels: folder of labels of these scans, of one VS; None: the true ones.
    """
    root = Path(phantom)
    with (root / WITHHELD / "patients.csv").open(encoding="utf-8", newline="") as file:
        grades = {row["name"]: int(row["koos"]) for row in csv.DictReader(file) if row["koos"]}
    cases = []
    for name, grade in sorted(grades.items()):
        cases.append(_case(root, name, GRADES[(grade - 1) // 2], labels))
        print(f"{name}: Koos {cases[-1].grade}; {cases[-1].found}", flush=True)
    print("\n".join(told(cases)))


def _case(root: Path, name: str, grade: str, labels: str | None) -> Case:
    scan = read_volume(root / "validation" / f"{name}_hrT2{ENDING}")
    truth = read_labels(root / WITHHELD / "validation" / f"{name}{LABEL_ENDING}", TRUE.values(), scan.grid).labels
    if labels is None:
        found = estimate_koos(truth, scan.voxels, scan.affine, TRUE)
    else:
        given = read_labels(Path(labels) / f"{name}{LABEL_ENDING}", STRUCTURES.values(), scan.grid).labels
        found = estimate_koos(given, scan.voxels, scan.affine)
    return Case(grade, found, *_at_the_porus(truth, scan.affine))


def _at_the_porus(truth: NDArray[np.uint8], affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Volumes of the true VS in the canal and lateral of the estimated porus, ml, and their Dice."""
    inside, outside = (truth == TRUE[part] for part in VS_PARTS)
    porus = find_porus(find_anatomy(inside | outside, truth == TRUE["cochlea"], affine))
    if porus is None:
        return (float("nan"),) * 3
    index = np.argwhere(inside | outside)
    canal, lateral = inside[tuple(index.T)], porus.beyond(index, affine) <= 0
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    return canal.sum() * voxel_ml, lateral.sum() * voxel_ml, dice(lateral, canal)


def told(cases: Sequence[Case]) -> list[str]:
    """Confusion matrix, kappa, and how far the estimated porus is from the true one."""
    pairs = np.array([[GRADES.index(one.grade), GRADES.index(one.found.grade)] for one in cases if one.found.grade])
    low, high = kappa_interval(pairs)
    _, _, canal, lateral, dices = (np.array(figures) for figures in zip(*cases, strict=True))
    known = ~np.isnan(lateral)
    return [
        f"truth in rows, estimated in columns: {', '.join(GRADES)}",
        *map(str, confusion(pairs).tolist()),
        f"kappa {kappa_of(pairs):.3f} [{low:.3f}, {high:.3f}], n = {len(pairs)}, not graded {len(cases) - len(pairs)}",
        f"true VS in the canal {canal[known].mean():.3f} ml, lateral of the estimated porus "
        f"{lateral[known].mean():.3f} ml; mean absolute difference {np.abs(lateral - canal)[known].mean():.3f} ml, "
        f"Dice {np.nanmean(dices):.3f}, n = {known.sum()}",
    ]


def confusion(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each pair of a true and an estimated grade, (n, 2), is there: rows are the truth."""
    table = np.zeros((len(GRADES), len(GRADES)), np.int64)
    np.add.at(table, tuple(pairs.T), 1)
    return table


def kappa_of(pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cohen's kappa of two classes: 1 agrees, 0 as by chance, NaN where all is of one class.

    One less the share of disagreement over that of all true with all estimated ones.

    Args:
        pairs: (..., n, 2), numbers of grades.

    References:
        Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20, 1960, 37-46.
    """
    true, found = pairs[..., 0], pairs[..., 1]
    by_chance = true.var(axis=-1) + found.var(axis=-1) + (true.mean(axis=-1) - found.mean(axis=-1)) ** 2
    with np.errstate(invalid="ignore"):
        kappa: NDArray[np.float64] = 1 - ((true - found) ** 2).mean(axis=-1) / by_chance
    return kappa


def kappa_interval(pairs: NDArray[np.int64], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the kappa of as many pairs (n, 2) drawn with replacement, but of one class alone."""
    drawn = np.random.default_rng(seed).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    low, high = np.nanpercentile(kappa_of(pairs[drawn]), (2.5, 97.5))
    return float(low), float(high)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(koos)
