r"""How much each translation counts when a segmenter is trained on them, by what a frozen segmenter made of them.

With D the Dice of structure s in view v of patient p, and only structures that the label holds:

.. math:: q_{pv} = \min_s \sqrt{
              \min\left(1, \frac{D_{pvs}}{\mathrm{median}_{v' \ne v} D_{pv's}}\right)
              \min\left(1, \frac{D_{pvs}}{\frac12 \mathrm{median}_{p'v'} D_{p'v's}}\right)}
          \qquad w_{pv} = q_{pv}^{\gamma}, \quad 0 \text{ where } q_{pv} < \tau

* The first ratio tells a bad translation from a hard patient: a tiny VS has a low Dice in every view.
* The second one sees what all views of a patient got wrong. It begins at half the median, so that a patient who is
  somewhat harder than the others is not seen less often: from those a segmenter learns most.
* The worst structure decides: where it was lost, its label teaches that background looks like it.
* The best view of a patient is never dropped, and counts at least :math:`\tau^{\gamma}`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import renewing, write_text
from tanq_monai.metrics.dice import dice
from tanq_monai.scans.folder import Case
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDING, LABEL_ENDING
from tanq_monai.scans.raw_dataset import identifier
from tanq_monai.structures import STRUCTURES, Structures

COLUMNS = ["case", "patient", "view", "structure", "dice"]
FAR = 0.5  # of the median over all: below it a Dice is far below the others


@dataclass(frozen=True)
class WeightRule:
    """The choices of the rule above.

    Attributes:
        drop_below: tau.
        power: gamma; 0 weighs all alike that are not dropped.

    Raises:
        InputError: for a threshold outside (0, 1], or a power below 0.
    """

    drop_below: float = 0.3
    power: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.drop_below <= 1:
            raise InputError("drop_below", f"{self.drop_below} is not in (0, 1]", "0.01 drops what shows nothing")
        if self.power < 0:
            raise InputError("power", f"{self.power} is below 0", "give 0 or more")


@dataclass(frozen=True)
class CaseWeights:
    """What came out.

    Attributes:
        scores: one row per case and structure: case, patient, view, structure, dice, weight, dropped.
    """

    scores: pd.DataFrame

    def __str__(self) -> str:
        """A row per view: cases, how many are dropped, mean weight, median Dice of each structure."""
        cases = self.scores.drop_duplicates("case").groupby("view")
        table = cases.agg(cases=("case", "size"), dropped=("dropped", "sum"), weight=("weight", "mean"))
        medians = self.scores.pivot_table("dice", "view", "structure", "median", dropna=False, sort=False)
        return table.join(medians.add_prefix("Dice ")).to_string(float_format="{:.3f}".format, na_rep="n/a")

    def save(self, output_dir: str | Path) -> None:
        """Write ``weights.csv`` (case, weight) and ``feedback.csv``, each at once or not at all."""
        weights = self.scores.drop_duplicates("case")[["case", "weight"]]
        for name, table in (("feedback.csv", self.scores), ("weights.csv", weights)):
            with renewing(Path(output_dir) / name) as temporary:
                write_text(table.to_csv(index=False, float_format="%.6f"), temporary)


def score_translations(
    cases: Sequence[Case],
    prediction_dir: str | Path,
    structures: Structures = STRUCTURES,
    rule: WeightRule | None = None,
) -> CaseWeights:
    """Score the segmenter's labels of translations against the true ones, and weigh the translations.

    Args:
        cases: dicts with ``case``, ``patient``, ``image`` and ``label``; a case ``{patient}_{view}`` is of that view.
        prediction_dir: holds ``{case}_Label.nii.gz``, or ``{case}.nii.gz`` as nnU-Net's validation has them; or
            ``fold_0/validation``, ``fold_1/validation``, ..., that do.
        structures: names and values of the labels.
        rule: of the weights.

    Raises:
        InputErrors: for every case that cannot be scored.
    """
    rows, mistakes = [], []
    for case in cases:
        names = [case["case"], case["patient"], case["case"].removeprefix(case["patient"]).lstrip("_") or "all"]
        try:
            found = _dice_of(Path(case["label"]), _prediction_of(case, Path(prediction_dir)), structures)
        except InputError as mistake:
            mistakes.append(mistake)
        else:
            rows += [[*names, structure, value] for structure, value in found.items()]
    if mistakes:
        raise InputErrors(mistakes)
    return CaseWeights(weigh(pd.DataFrame(rows, columns=COLUMNS), rule or WeightRule()))


def weigh(scores: pd.DataFrame, rule: WeightRule) -> pd.DataFrame:
    """``scores`` with ``weight`` and ``dropped`` of each row's case.

    Args:
        scores: columns case, patient, view, structure, dice (nan: the label lacks the structure).
        rule: of the weights.
    """
    patients = scores.groupby("case")["patient"].first()
    quality = _quality(scores).reindex(patients.index, fill_value=1.0)  # without structures nothing speaks against one
    best = quality == quality.groupby(patients).transform("max")
    dropped = (quality < rule.drop_below) & ~best
    weight = (quality.clip(lower=rule.drop_below) ** rule.power).mask(dropped, 0.0)
    return scores.assign(weight=scores["case"].map(weight), dropped=scores["case"].map(dropped))


def _quality(scores: pd.DataFrame) -> "pd.Series[float]":
    """q of every case that has a structure."""
    parts = []
    for _, of_structure in scores.dropna(subset="dice").groupby("structure"):
        usual = float(of_structure["dice"].median())
        for _, of_patient in of_structure.groupby("patient"):
            values = of_patient["dice"].to_numpy(dtype=float)
            product = _ratio(values, _median_of_others(values)) * _ratio(values, np.full(len(values), FAR * usual))
            parts.append(pd.Series(np.sqrt(product), index=of_patient["case"].to_numpy()))
    every = pd.concat(parts) if parts else pd.Series(dtype=float)
    return every.groupby(level=0).min()


def _median_of_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median without each of the values; 0 where there is no other."""
    if len(values) == 1:
        return np.zeros(1)
    return np.array([np.median(np.delete(values, number)) for number in range(len(values))])


def _ratio(values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values / reference``, at most 1, also of 0 / 0."""
    return np.divide(values, reference, out=np.ones_like(values), where=values < reference)


def _dice_of(truth_path: Path, prediction_path: Path, structures: Structures) -> dict[str, float]:
    truth = read_labels(truth_path, structures.values())
    prediction = read_labels(prediction_path, structures.values(), truth.grid, "the true label")
    return {name: dice(prediction.labels == value, truth.labels == value) for name, value in structures.items()}


def _prediction_of(case: Case, folder: Path) -> Path:
    """The file of the segmenter's label."""
    names = [f"{case['case']}{LABEL_ENDING}", f"{case['case']}{ENDING}", f"{identifier(case)}{ENDING}"]
    places = [folder, *sorted(folder.glob("fold_[0-9]*/validation"))]
    for path in (place / name for place in places for name in names):
        if path.is_file() and any(path.samefile(case[key]) for key in ("image", "label")):
            raise InputError(path, "is no prediction but what was given to be scored", "give the segmenter's labels")
        if path.is_file():
            return path
    problem = f"holds no label of {case['case']}"
    raise InputError(folder, problem, f"segment it; looked for {', '.join(dict.fromkeys(names))}")
