"""What a segmenter is trained on: labelled scans, scans with pseudo-labels, and how often each is drawn."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from tanq_monai.data.cases import Scan
from tanq_monai.errors import InputError


def training_cases(
    labelled: Scan, pseudo_labelled: Scan | None = None, weights_file: str | Path | None = None
) -> list[dict[str, Any]]:
    """All cases of a training.

    Args:
        labelled: scans with labels.
        pseudo_labelled: scans of which some have pseudo-labels; the others are left out.
        weights_file: CSV with the columns ``case`` and ``weight``, how often a case is drawn; others have weight 1.

    Raises:
        InputErrors: when a scan cannot be used.
        InputError: when no pseudo-label is there, two cases have one name, or the weights cannot be read.
    """
    labelled.raise_problems()
    cases: list[dict[str, Any]] = list(labelled.cases)
    if pseudo_labelled is not None:
        pseudo_labelled.raise_problems()
        found = [{**case, "ignore": True} for case in pseudo_labelled.cases if "label" in case]
        if not found:
            raise InputError("pseudo_label_dir", "holds no label of a scan in target_dir", "make some with refine.yaml")
        cases += found
    names = [case["case"] for case in cases]
    for name in set(names):
        if names.count(name) > 1:
            raise InputError(name, "is a labelled and a pseudo-labelled case", "give one of them another name")
    if weights_file is None:
        return cases
    weights = _read_weights(Path(weights_file))
    return [{**case, "weight": weights.get(case["case"], 1.0)} for case in cases]


def _read_weights(path: Path) -> dict[str, float]:
    try:
        table = pd.read_csv(path, dtype={"case": str})
        weights = dict(zip(table["case"], table["weight"].astype(float), strict=True))
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "make it with configs/feedback.yaml") from error
    except (ValueError, KeyError, OSError, pd.errors.ParserError) as error:
        raise InputError(path, "is no table of case and weight", "make it with configs/feedback.yaml") from error
    for case, weight in weights.items():
        if not (weight >= 0 and math.isfinite(weight)):
            raise InputError(path, f"gives {case} the weight {weight}", "use numbers from 0")
    return weights
