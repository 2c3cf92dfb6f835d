"""Scores of one case: Dice, surface distance and volumes of every structure."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.surface_distance import Definition, average_surface_distance, voxel_indices, voxel_spacing
from tanq_monai.scans.labels import LabelMap, read_labels
from tanq_monai.scans.naming import case_of, site_of
from tanq_monai.structures import STRUCTURES, ScoredStructures

Labels = npt.NDArray[np.uint8]
SCORED = ScoredStructures(STRUCTURES)


@dataclass(frozen=True)
class Score:
    """One structure of one case; volumes in mm3 show what a score of nan hides."""

    case: str
    site: str
    structure: str
    dice: float
    assd_mm: float
    prediction_mm3: float
    truth_mm3: float


def evaluate_case(
    prediction_path: str | Path,
    truth_path: str | Path,
    *,
    structures: ScoredStructures = SCORED,
    definition: Definition = "directed",
) -> list[Score]:
    """Score one case, one row per structure; Dice and ASSD are nan where the truth lacks the structure.

    Raises:
        InputError: when a file is missing or unusable, or the prediction is not on the grid of the truth.
    """
    truth = read_truth(Path(truth_path), structures)
    return score_prediction(Path(prediction_path), truth, structures, definition)


@dataclass(frozen=True)
class Truth:
    """What predictions of one case are scored against.

    Args:
        case: its name.
        volume: true labels and their affine.
    """

    case: str
    volume: LabelMap


def read_truth(path: Path, structures: ScoredStructures) -> Truth:
    """The true labels of one case.

    Raises:
        InputError: when the file is missing or unusable.
    """
    return Truth(case_of(path), read_labels(path, _known(structures)))


def score_prediction(path: Path, truth: Truth, structures: ScoredStructures, definition: Definition) -> list[Score]:
    """Score one prediction, one row per structure.

    Raises:
        InputError: when the file is missing or unusable, or not on the grid of the truth.
    """
    prediction = read_labels(path, _known(structures), truth.volume.grid, "the truth")
    return score_labels(prediction.labels, truth, structures, definition)


def score_labels(
    found: Labels, truth: Truth, structures: ScoredStructures, definition: Definition = "directed"
) -> list[Score]:
    """Score the label map ``found`` (X, Y, Z), which lies on the grid of the truth, one row per structure."""
    affine = truth.volume.affine
    spacing, voxel_mm3 = voxel_spacing(affine), float(abs(np.linalg.det(affine[:3, :3])))
    found, true = _cropped(found, truth.volume.labels)
    rows = []
    for name, values in structures.items():
        found_mask, true_mask = _mask_of(found, values), _mask_of(true, values)
        rows.append(
            Score(
                case=truth.case,
                site=site_of(truth.case),
                structure=name,
                dice=dice(found_mask, true_mask),
                assd_mm=average_surface_distance(found_mask, true_mask, spacing=spacing, definition=definition),
                prediction_mm3=np.count_nonzero(found_mask) * voxel_mm3,
                truth_mm3=np.count_nonzero(true_mask) * voxel_mm3,
            )
        )
    return rows


def _known(structures: ScoredStructures) -> frozenset[int]:
    return frozenset({0, *(value for values in structures.values() for value in values)})


def _mask_of(labels: Labels, values: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Where ``labels`` have one of the values."""
    mask: npt.NDArray[np.bool_] = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    return mask


def _cropped(found: Labels, true: Labels) -> tuple[Labels, Labels]:
    """Both in the box of what either holds: the scores are the same, since outside a volume is background too."""
    indices = voxel_indices((found | true) != 0)
    if not len(indices):
        return found, true
    box = tuple(slice(low, high + 1) for low, high in zip(indices.min(axis=0), indices.max(axis=0), strict=True))
    return found[box], true[box]
