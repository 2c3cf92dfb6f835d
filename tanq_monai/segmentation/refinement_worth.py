"""What a refinement is worth where the truth is known: does it take out errors, or truth?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tanq_monai.metrics.dice import dice

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Worth:
    """One structure of one case; voxels are wrong where prediction and truth differ, right where both have it.

    Args:
        case: its name.
        structure: its name.
        verdict: of the case.
        dice_plain: of the predicted labels; nan without truth, as in :func:`tanq_monai.metrics.dice.dice`.
        dice_refined: of the voxels that are not ignored.
        wrong_voxels: number, the whole prediction.
        wrong_ignored: how many of them became the ignore label.
        right_voxels: number, the whole prediction.
        right_ignored: how many of them became the ignore label.
    """

    case: str
    structure: str
    verdict: str
    dice_plain: float
    dice_refined: float
    wrong_voxels: int
    wrong_ignored: int
    right_voxels: int
    right_ignored: int


def worth_of_case(case: str, structure: str, verdict: str, predicted: Mask, truth: Mask, ignored: Mask) -> Worth:
    """Compare masks of one shape: prediction before refinement, truth, and what refinement ignores."""
    wrong, right = predicted ^ truth, predicted & truth
    return Worth(
        case=case,
        structure=structure,
        verdict=verdict,
        dice_plain=dice(predicted, truth),
        dice_refined=dice(predicted & ~ignored, truth & ~ignored),
        wrong_voxels=int(np.count_nonzero(wrong)),
        wrong_ignored=int(np.count_nonzero(wrong & ignored)),
        right_voxels=int(np.count_nonzero(right)),
        right_ignored=int(np.count_nonzero(right & ignored)),
    )


def summarize_worth(worth: pd.DataFrame) -> pd.DataFrame:
    """Per structure for all cases, those accepted and those that wait.

    Args:
        worth: columns of :class:`Worth`.

    Returns:
        Index (structure, cases); columns n, mean Dice plain and refined (over cases whose truth has the structure), and
        the shares of all wrong and of all right voxels that are ignored. Refinement takes out errors rather than truth
        where the first share is the larger one, and tells bad cases where the plain Dice of those that wait is lower.
    """
    keys, rows = [], []
    for structure, of_structure in worth.groupby("structure", sort=False):
        groups = {"all": of_structure} | {str(v): part for v, part in of_structure.groupby("verdict")}
        for name, part in groups.items():
            keys.append((structure, name))
            rows.append(
                {
                    "n": len(part),
                    "dice_plain": part["dice_plain"].mean(),
                    "dice_refined": part["dice_refined"].mean(),
                    "wrong_ignored": part["wrong_ignored"].sum() / max(part["wrong_voxels"].sum(), 1),
                    "right_ignored": part["right_ignored"].sum() / max(part["right_voxels"].sum(), 1),
                }
            )
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(keys, names=["structure", "cases"]))
