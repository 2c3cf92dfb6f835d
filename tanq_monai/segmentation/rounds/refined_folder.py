"""A folder of predictions to a folder of refined pseudo-labels, with a table that says what was done and why."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from tqdm import tqdm

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import aside, check_output_dir, check_renewable, renewing, write_text
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.labels import read_labels, read_share
from tanq_monai.scans.naming import AGREEMENT_ENDING, CONFIDENCE_ENDING, LABEL_ENDING
from tanq_monai.segmentation.rounds.refinement import Prediction, Refinement, refine
from tanq_monai.segmentation.rounds.refinement_report import ACCEPTED, WAITS, RefinedStructure, RefinementReport
from tanq_monai.segmentation.rounds.refinement_rules import RefinementRules
from tanq_monai.segmentation.rounds.refinement_worth import Worth, worth_of_case
from tanq_monai.structures import STRUCTURES, Structures

TABLE, WORTH = "refinement.csv", "refinement_worth.csv"


def refine_folder(
    prediction_dir: str | Path,
    output_dir: str | Path,
    rules: RefinementRules | None,
    *,
    structures: Structures = STRUCTURES,
    truth_dir: str | Path | None = None,
) -> RefinementReport:
    """Write ``{case}_Label.nii.gz`` of the accepted cases and ``refinement.csv``, all of them or none.

    Labels that an earlier refinement left in ``output_dir`` go when their case waits now. Started again it does the
    same.

    Args:
        prediction_dir: holds ``{case}_Label``, ``_Confidence`` and ``_Agreement.nii.gz`` on one grid.
        output_dir: gets the labels, the table, and with ``truth_dir`` ``refinement_worth.csv``.
        rules: None: every case is accepted with its labels as they are; only the label files are read.
        structures: names and label values; of others than a cochlea and a VS or its parts, no anatomy is judged.
        truth_dir: holds true labels of some of the cases, only to say what the refinement was worth.

    Raises:
        InputError: when ``output_dir`` holds other labels, or there is no prediction.
        InputErrors: one line for every case with a missing or unusable file, or a refined label that was changed since.
    """
    cases = _find_cases(Path(prediction_dir), needs_uncertainty=rules is not None)
    truths = None if truth_dir is None else LabelFiles(truth_dir)
    if truths is not None:
        truths.raise_problems()
    output = check_output_dir(output_dir, prediction_dir)
    earlier = _earlier_cases(output)
    with aside(output / "labels") as stage:  # until all are there
        rows, worths = _refine_cases(cases, Path(prediction_dir), stage, rules, structures, truths)
        report = RefinementReport(
            pd.DataFrame([asdict(row) for row in rows], columns=[field.name for field in fields(RefinedStructure)]),
            pd.DataFrame([asdict(row) for row in worths]) if worths else None,
        )
        _publish(report, stage, output, earlier)
    return report


def _find_cases(folder: Path, needs_uncertainty: bool) -> list[str]:
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder that holds the predictions")
    files = LabelFiles(folder)
    files.raise_problems()
    labels = [files.of(case) for case in sorted(files.cases)]
    foreign = [path for path in labels if not path.name.endswith(LABEL_ENDING)]
    if foreign:
        raise InputErrors(
            InputError(path, f"is no *{LABEL_ENDING}", "compress it, or take it away") for path in foreign
        )
    cases = [path.name.removesuffix(LABEL_ENDING) for path in labels]
    if not cases:
        raise InputError(folder, f"holds no *{LABEL_ENDING}", "give the folder that holds the predictions")
    wanted = (CONFIDENCE_ENDING, AGREEMENT_ENDING) if needs_uncertainty else ()
    remedy = "predict with uncertainty: true, or choose refine: false"
    missing = [folder / f"{case}{end}" for case in cases for end in wanted if not (folder / f"{case}{end}").is_file()]
    if missing:
        raise InputErrors(InputError(path, "is missing", remedy) for path in missing)
    return cases


def _earlier_cases(output: Path) -> set[str]:
    """Cases of an earlier refinement in ``output``; raises where there are labels from elsewhere."""
    remedy = "choose another output_dir"
    table = output / TABLE
    check_renewable([table, output / WORTH])
    earlier: set[str] = set()
    try:
        if table.is_file():
            earlier = set(pd.read_csv(table, dtype=str, encoding_errors="surrogateescape")["case"])
    except (ValueError, KeyError) as error:
        raise InputError(table, "is no table of a refinement", remedy) from error
    strangers = sorted({path.name.removesuffix(LABEL_ENDING) for path in output.glob(f"*{LABEL_ENDING}")} - earlier)
    if strangers:
        raise InputError(output, f"holds {strangers[0]}{LABEL_ENDING}, which no refinement wrote", remedy)
    check_renewable(output / f"{case}{LABEL_ENDING}" for case in earlier)
    return earlier


def _refine_cases(
    cases: Sequence[str],
    folder: Path,
    stage: Path,
    rules: RefinementRules | None,
    structures: Structures,
    truths: LabelFiles | None,
) -> tuple[list[RefinedStructure], list[Worth]]:
    """Labels of the accepted cases to ``stage``, and the rows of both tables."""
    rows: list[RefinedStructure] = []
    worths: list[Worth] = []
    mistakes: list[InputError] = []
    for case in tqdm(cases, desc="refine", unit="case"):
        try:
            if rules is None:
                prediction, done = _read_plain(folder, case, structures)
            else:
                prediction = _read(folder, case, structures.values())
                done = refine(prediction, rules, structures)
            rows += _rows(case, prediction, done, structures)
            worths += _worth(case, prediction, done, structures, truths)
        except InputError as mistake:
            mistakes.append(mistake)
            continue
        if not done.reasons:
            nib.save(prediction.grid.image(done.labels), stage / f"{case}{LABEL_ENDING}")
    if mistakes:
        raise InputErrors(mistakes)
    return rows, worths


def _read(folder: Path, case: str, known: Collection[int]) -> Prediction:
    path = folder / f"{case}{LABEL_ENDING}"
    label, grid = read_labels(path, known)
    confidence, agreement = (
        read_share(folder / f"{case}{end}", grid, path.name) for end in (CONFIDENCE_ENDING, AGREEMENT_ENDING)
    )
    return Prediction(label, confidence, agreement, grid)


def _read_plain(folder: Path, case: str, structures: Structures) -> tuple[Prediction, Refinement]:
    """A prediction of which nothing is known but its labels, and the refinement that does nothing."""
    label, grid = read_labels(folder / f"{case}{LABEL_ENDING}", structures.values())
    sure, nothing = np.broadcast_to(np.float32(1), label.shape), np.broadcast_to(np.int32(0), label.shape)
    return Prediction(label, sure, sure, grid), Refinement(label, nothing, ())


def _rows(case: str, prediction: Prediction, done: Refinement, structures: Structures) -> list[RefinedStructure]:
    voxel_mm3 = float(abs(np.linalg.det(prediction.grid.affine[:3, :3])))
    rows = []
    for name, value in structures.items():
        predicted = prediction.labels == value
        before, after = np.count_nonzero(predicted), np.count_nonzero(done.labels == value)
        rows.append(
            RefinedStructure(
                case=case,
                structure=name,
                predicted_mm3=before * voxel_mm3,
                refined_mm3=after * voxel_mm3,
                removed_components=int(np.count_nonzero(np.unique(done.removed[predicted]))),
                ignored_share=1 - after / before if before else float("nan"),
                verdict=WAITS if done.reasons else ACCEPTED,
                reason="; ".join(done.reasons),
            )
        )
    return rows


def _worth(
    case: str,
    prediction: Prediction,
    done: Refinement,
    structures: Structures,
    truths: LabelFiles | None,
) -> list[Worth]:
    if truths is None or case not in truths.cases:
        return []
    truth = read_labels(truths.of(case), structures.values(), prediction.grid, "its prediction")
    ignored = done.labels == structures.ignore
    verdict = WAITS if done.reasons else ACCEPTED
    return [
        worth_of_case(case, name, verdict, prediction.labels == value, truth.labels == value, ignored)
        for name, value in structures.items()
    ]


def _publish(report: RefinementReport, stage: Path, output: Path, earlier: set[str]) -> None:
    """Stale labels go, then the table comes, then the labels: killed in between, the next run knows whose they are."""
    accepted = report.rows.loc[report.rows["verdict"] == ACCEPTED, "case"].unique().tolist()
    for case in earlier - set(accepted):
        (output / f"{case}{LABEL_ENDING}").unlink(missing_ok=True)
    _write_csv(report.rows, output / TABLE)
    if report.worth is None:
        (output / WORTH).unlink(missing_ok=True)
    else:
        _write_csv(report.worth, output / WORTH)
    for case in accepted:
        with renewing(output / f"{case}{LABEL_ENDING}") as temporary:
            (stage / f"{case}{LABEL_ENDING}").replace(temporary)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with renewing(path) as temporary:
        write_text(table.to_csv(index=False, float_format="%.6f"), temporary)
