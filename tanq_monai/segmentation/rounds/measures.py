"""How a round of self-training went: numbers of its labels of the real scans."""

from pathlib import Path

import numpy as np
import pandas as pd

from tanq_monai.errors import InputError
from tanq_monai.metrics.dice import dice
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.labels import read_labels, read_share
from tanq_monai.scans.naming import CONFIDENCE_ENDING, LABEL_ENDING, case_of
from tanq_monai.structures import Structures


def measure_round(
    predictions: Path, last: Path | None, truth: str | Path | None, structures: Structures
) -> pd.DataFrame:
    """One row per structure.

    Args:
        predictions: folder of ``{case}_Label.nii.gz`` and ``{case}_Confidence.nii.gz``.
        last: predictions of the round before.
        truth: folder of true labels, of some or all cases.
        structures: names and label values.

    Returns:
        Columns: ``structure``; ``found``, in how many cases; ``volume_mm3``, median where found; ``confidence``, mean
        over the cases of the mean inside it; ``agreement``, mean Dice with ``last``, 1 where both have none; ``dice``,
        mean over the cases with truth. nan where there is nothing to compare with.

    Raises:
        InputError: when there are no predictions.
    """
    paths = sorted(predictions.glob(f"*{LABEL_ENDING}"))
    if not paths:
        raise InputError(predictions, f"holds no *{LABEL_ENDING}", "start the round again")
    truths = None if truth is None else LabelFiles(truth)
    rows = pd.DataFrame([row for path in paths for row in _rows(path, last, truths, structures)])
    groups = rows.groupby("structure", sort=False)
    return pd.DataFrame(
        {
            "found": groups["volume_mm3"].count(),
            "volume_mm3": groups["volume_mm3"].median(),
            "confidence": groups["confidence"].mean(),
            "agreement": groups["agreement"].mean(),
            "dice": groups["dice"].mean(),
        }
    ).reset_index()


def _rows(
    path: Path, last: Path | None, truths: LabelFiles | None, structures: Structures
) -> list[dict[str, str | float]]:
    known = structures.values()
    labels, grid = read_labels(path, known)
    before = None if last is None else read_labels(last / path.name, known, grid, "the label of this round").labels
    true, case = None, case_of(path)
    if truths is not None and case in truths.cases:
        true = read_labels(truths.of(case), known, grid, "the label of this round").labels
    confidence = read_share(path.with_name(path.name.replace(LABEL_ENDING, CONFIDENCE_ENDING)), grid, path.name)
    voxel_mm3 = float(abs(np.linalg.det(grid.affine[:3, :3])))
    rows: list[dict[str, str | float]] = []
    for name, value in structures.items():
        mask = labels == value
        rows.append(
            {
                "structure": name,
                "volume_mm3": np.count_nonzero(mask) * voxel_mm3 if mask.any() else np.nan,
                "confidence": float(confidence[mask].mean()) if mask.any() else np.nan,
                "agreement": np.nan if before is None else _agreement(mask, before == value),
                "dice": np.nan if true is None else dice(mask, true == value),
            }
        )
    return rows


def _agreement(mask: np.ndarray, other: np.ndarray) -> float:
    return dice(mask, other) if other.any() else float(not mask.any())
