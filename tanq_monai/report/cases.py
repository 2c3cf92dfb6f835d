"""A case of the report: its files read and checked, measured, drawn, and put into words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tanq_monai.anatomy.koos import estimate_koos
from tanq_monai.anatomy.plausibility import judge_labels
from tanq_monai.errors import InputError
from tanq_monai.evaluation.scoring import Score, Truth, score_labels
from tanq_monai.report.axial import Volume, turned_to_lps
from tanq_monai.report.measures import Measure, measured
from tanq_monai.report.stack import Stack, make_stack
from tanq_monai.scans.folder import Case, LabelFiles
from tanq_monai.scans.grid import Grid
from tanq_monai.scans.labels import read_labels, read_share
from tanq_monai.scans.naming import CONFIDENCE_ENDING, ENDING, SOURCE
from tanq_monai.scans.volume import Volume as Scan
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import ScoredStructures, Structures


@dataclass(frozen=True)
class Figures:
    """What is known of one predicted structure; nan where it does not apply."""

    structure: str
    prediction_mm3: float
    confidence: float
    dice: float = math.nan
    assd_mm: float = math.nan
    truth_mm3: float = math.nan

    @property
    def missed(self) -> bool:
        """Whether the truth has it and the prediction nothing."""
        return self.truth_mm3 > 0 and not self.prediction_mm3

    @property
    def invented(self) -> bool:
        """Whether the prediction has it and the truth nothing: no Dice shows it."""
        return self.truth_mm3 == 0 and self.prediction_mm3 > 0


@dataclass(frozen=True)
class ReportedCase:
    """All that the page shows of a case.

    Args:
        name: of the case.
        figures: one for each structure.
        measures: of the prediction, in the units of a radiologist.
        true_measures: the same of the truth; none without one.
        doubts: what speaks against the prediction.
        deviation: how unusual the most unusual volume is, see :class:`tanq_monai.anatomy.plausibility.Judgement`.
        scores: of the truth, one for each structure; none without a truth.
        stack: its pictures.
        koos: grade of the predicted VS, as :class:`tanq_monai.anatomy.koos.Koos` tells it.
    """

    name: str
    figures: Sequence[Figures]
    measures: Sequence[Measure]
    true_measures: Sequence[Measure]
    doubts: Sequence[str]
    deviation: float
    scores: Sequence[Score]
    stack: Stack
    koos: str = ""

    @property
    def mean_dice(self) -> float:
        """Over the structures that the truth has; nan without any."""
        return _mean([figure.dice for figure in self.figures])

    @property
    def mean_confidence(self) -> float:
        """Over the structures that were predicted; nan without any, or where nothing tells of confidence."""
        return _mean([figure.confidence for figure in self.figures])

    @property
    def remarks(self) -> list[str]:
        """What to look at, in words."""
        missed = [f"{figure.structure} missed" for figure in self.figures if figure.missed]
        invented = [
            f"{figure.structure} predicted ({figure.prediction_mm3:,.0f} mm³), the truth has none"
            for figure in self.figures
            if figure.invented
        ]
        doubts = [] if self.scores else self.doubts
        outside = [
            f"{mm3:,.0f} mm³ of {name} predicted outside the pictures" for name, mm3 in self.stack.outside_mm3.items()
        ]
        return [*missed, *invented, *doubts, *outside]


def report_case(
    case: Case,
    predictions: LabelFiles,
    truths: LabelFiles | None,
    structures: Structures,
    cet1_dir: Path | None = None,
) -> ReportedCase:
    """Read, measure and draw a case.

    Args:
        case: of the scan.
        predictions: whose folder may hold ``{case}_Confidence.nii.gz``, too.
        truths: true labels.
        structures: names and label values.
        cet1_dir: may hold ``{case}_ceT1.nii.gz``, on any grid, which is shown beside the scan.

    Raises:
        InputError: when a file is missing or unusable, or lies on another grid than the scan; a ceT1: elsewhere.
    """
    name = case["case"]
    prediction = predictions.of(name)
    if not prediction.is_file():
        raise InputError(prediction, "is missing, the prediction of this scan", "predict it or take the scan out")
    volume = read_volume(case["image"])
    scan = turned_to_lps(volume.grid.image(volume.voxels.astype(np.float32)))
    labels = read_labels(prediction, structures.values(), volume.grid)
    found = turned_to_lps(volume.grid.image(labels.labels))
    true, scores = None, []
    true_measures: list[Measure] = []
    if truths is not None:
        truth = read_labels(truths.of(name), structures.values(), volume.grid)
        true = turned_to_lps(volume.grid.image(truth.labels))
        true_measures, _ = measured(truth.labels, truth.affine, structures)
        scores = score_labels(labels.labels, Truth(name, truth), ScoredStructures(structures))
    sure = _confidence(predictions.folder / f"{name}{CONFIDENCE_ENDING}", volume.grid)
    figures = _figures(found, structures, sure, scores)
    cet1 = None if cet1_dir is None else _cet1(cet1_file(cet1_dir, name), volume, labels.labels)
    stack = make_stack(scan, found, true, structures, cet1)
    judgements = judge_labels(labels.labels, labels.affine, structures)
    measures, doubts = measured(labels.labels, labels.affine, structures)
    return ReportedCase(
        name=name,
        figures=figures,
        measures=measures,
        true_measures=true_measures,
        doubts=doubts or [judgement.doubt for judgement in judgements if judgement.doubt],
        deviation=max((judgement.deviation for judgement in judgements), default=0.0),
        scores=scores,
        stack=stack,
        koos=str(estimate_koos(labels.labels, volume.voxels, labels.affine, structures)),
    )


def sorted_by_truth(cases: Sequence[ReportedCase]) -> list[ReportedCase]:
    """Worst first: those with a missed structure, then by mean Dice; last those whose truth has no structure."""

    def badness(case: ReportedCase) -> tuple[int, float, str]:
        missed = sum(figure.missed for figure in case.figures)
        return -missed, math.inf if math.isnan(case.mean_dice) else case.mean_dice, case.name

    return sorted(cases, key=badness)


def sorted_by_plausibility(cases: Sequence[ReportedCase]) -> list[ReportedCase]:
    """Least plausible first: those with an unusual volume, the most unusual one first; the others by confidence.

    Where nothing tells of confidence, the others stay in the order of their volumes, too.
    """

    def doubtfulness(case: ReportedCase) -> tuple[bool, float, float, str]:
        plausible = case.deviation <= 1
        sure = case.mean_confidence if plausible and not math.isnan(case.mean_confidence) else math.inf
        return plausible, sure, -case.deviation, case.name

    return sorted(cases, key=doubtfulness)


def cet1_file(folder: Path, case: str) -> Path:
    """Where the ceT1 of a case lies, if there is one."""
    return folder / f"{case}_{SOURCE[0]}{ENDING}"


def _cet1(path: Path, scan: Scan, labels: npt.NDArray[np.uint8]) -> Volume | None:
    """The ceT1 on the grid of a scan, turned to LPS, where there is one."""
    if not path.is_file():
        return None
    voxels = read_volume(path, SOURCE[0]).on(scan.grid)
    if not voxels[labels > 0].any() if labels.any() else not voxels.any():
        raise InputError(path, "shows nothing where the structures lie", "give scans of one session, registered")
    return turned_to_lps(scan.grid.image(voxels.astype(np.float32)))


def _confidence(path: Path, grid: Grid) -> Volume | None:
    """The confidence of a prediction on the grid of its scan, turned to LPS, where there is one."""
    return turned_to_lps(grid.image(read_share(path, grid, "its scan"))) if path.is_file() else None


def _figures(found: Volume, structures: Structures, sure: Volume | None, scores: Sequence[Score]) -> list[Figures]:
    by_structure = {score.structure: score for score in scores}
    figures = []
    for name, value in structures.items():
        mask = found.values == value
        mm3 = float(np.count_nonzero(mask) * np.prod(found.spacing))
        confidence = math.nan if sure is None or not mask.any() else float(sure.values[mask].mean())
        score = by_structure.get(name)
        known = {} if score is None else {"dice": score.dice, "assd_mm": score.assd_mm, "truth_mm3": score.truth_mm3}
        figures.append(Figures(name, mm3, confidence, **known))
    return figures


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
