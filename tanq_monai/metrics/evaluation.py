"""Scores of a folder of predictions: one row per case and structure, and a summary over the cases."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import replacing
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.labels import check_same_grid, read_labels
from tanq_monai.metrics.surface_distance import (
    EMPTY_PREDICTION_MM,
    Definition,
    average_surface_distance,
    voxel_spacing,
)

STRUCTURES: Mapping[str, int] = {"VS": 1, "cochlea": 2}
"""Names and label values of crossMoDA; both cochleae are one class."""

LABEL_SUFFIX = "_Label.nii.gz"


@dataclass(frozen=True)
class Score:
    """One structure of one case; volumes in mm3 show what a score of nan hides."""

    case: str
    structure: str
    dice: float
    assd_mm: float
    prediction_mm3: float
    truth_mm3: float


@dataclass(frozen=True)
class Evaluation:
    """The scores of the cases that could be scored, and what was wrong with the others.

    Args:
        scores: one row per case and structure, columns as in :class:`Score`.
        mistakes: one per case that could not be scored.
        definition: of the ASSD.
    """

    scores: pd.DataFrame
    mistakes: tuple[InputError, ...]
    definition: Definition

    def __str__(self) -> str:
        """The summary as text, with what its numbers mean."""
        how = {"directed": "mean of the two directed means", "pooled": "pooled mean over both surfaces"}
        return (
            f"{summarize(self.scores).to_string(float_format='{:.4f}'.format)}\n"
            f"sd: of the sample. ASSD: {how[self.definition]}; {EMPTY_PREDICTION_MM:.0f} mm where all of a\n"
            "structure was missed. n/a: cases whose truth lacks the structure, in no mean."
        )

    def save(self, output_dir: str | Path) -> None:
        """Write ``scores.csv``, ``summary.csv`` and ``summary.txt``, each at once or not at all.

        Raises:
            InputError: when the folder cannot be written.
        """
        folder = Path(output_dir)
        texts = {
            "scores.csv": self.scores.to_csv(index=False, float_format="%.6f"),
            "summary.csv": summarize(self.scores).to_csv(float_format="%.6f"),
            "summary.txt": f"{self}\n",
        }
        try:
            for name, text in texts.items():
                with replacing(folder / name) as temporary:
                    temporary.write_text(text)
        except OSError as error:
            raise InputError(folder, f"cannot be written ({error.strerror})", "choose another output_dir") from error

    def raise_mistakes(self) -> None:
        """Raise what was wrong.

        Raises:
            InputErrors: when at least one case could not be scored.
        """
        if self.mistakes:
            raise InputErrors(self.mistakes)


def evaluate_folder(
    prediction_dir: str | Path,
    truth_dir: str | Path,
    *,
    structures: Mapping[str, int] = STRUCTURES,
    definition: Definition = "directed",
) -> Evaluation:
    """Score every ``{case}_Label.nii.gz`` of the truth against the prediction of the same file name.

    A case that cannot be scored is left out and becomes a mistake; the others are scored all the same.

    Args:
        prediction_dir: may hold more cases than are scored.
        truth_dir: decides which cases are scored.
        structures: names and label values.
        definition: of the ASSD, see :func:`~tanq_monai.metrics.average_surface_distance`.

    Raises:
        InputError: when a folder does not exist or ``truth_dir`` holds no label file.
    """
    for folder in (Path(prediction_dir), Path(truth_dir)):
        if not folder.is_dir():
            raise InputError(folder, "there is no such folder", "give the folder that holds the label files")
    truths = sorted(Path(truth_dir).glob(f"*{LABEL_SUFFIX}"))
    if not truths:
        raise InputError(truth_dir, f"holds no *{LABEL_SUFFIX}", "give the folder with the true labels")
    rows: list[Score] = []
    mistakes: list[InputError] = []
    for truth in truths:
        try:
            rows += evaluate_case(
                Path(prediction_dir) / truth.name, truth, structures=structures, definition=definition
            )
        except InputError as mistake:
            mistakes.append(mistake)
    scores = pd.DataFrame([asdict(row) for row in rows], columns=[field.name for field in fields(Score)])
    return Evaluation(scores, tuple(mistakes), definition)


def evaluate_case(
    prediction_path: str | Path,
    truth_path: str | Path,
    *,
    structures: Mapping[str, int] = STRUCTURES,
    definition: Definition = "directed",
) -> list[Score]:
    """Score one case, one row per structure; Dice and ASSD are nan where the truth lacks the structure.

    Raises:
        InputError: when a file is missing or unusable, or the prediction is not on the grid of the truth.
    """
    known = frozenset({0, *structures.values()})
    truth = read_labels(Path(truth_path), known=known)
    prediction = read_labels(Path(prediction_path), known=known)
    check_same_grid(prediction, truth.labels.shape, truth.affine, path=Path(prediction_path), other="the truth")
    spacing = voxel_spacing(truth.affine)
    voxel_mm3 = float(abs(np.linalg.det(truth.affine[:3, :3])))
    rows = []
    for name, value in structures.items():
        found, true = prediction.labels == value, truth.labels == value
        rows.append(
            Score(
                case=Path(truth_path).name.removesuffix(LABEL_SUFFIX),
                structure=name,
                dice=dice(found, true),
                assd_mm=average_surface_distance(found, true, spacing=spacing, definition=definition),
                prediction_mm3=np.count_nonzero(found) * voxel_mm3,
                truth_mm3=np.count_nonzero(true) * voxel_mm3,
            )
        )
    return rows


def summarize(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, sample standard deviation, median, n and number not applicable, per structure and metric.

    Args:
        scores: columns ``structure``, ``dice``, ``assd_mm``; nan counts as not applicable.

    Returns:
        Index (structure, metric), columns mean, sd, median, n, n/a; structures in the order of the rows. The
        sd of a single case is nan.
    """
    columns = ["mean", "sd", "median", "n", "n/a"]
    keys, rows = [], []
    for name, of_structure in scores.groupby("structure", sort=False):
        for metric in ("dice", "assd_mm"):
            values = of_structure[metric].dropna()
            keys.append((name, metric))
            rows.append([values.mean(), values.std(), values.median(), len(values), len(of_structure) - len(values)])
    index = pd.MultiIndex.from_arrays(list(zip(*keys, strict=True)) or [[], []], names=["structure", "metric"])
    return pd.DataFrame(rows, index=index, columns=columns)
