"""The report of a folder of predictions: which cases, in which order, and the page about them."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tanq_monai.anatomy.published import published
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import check_renewable
from tanq_monai.metrics.statistics import summarize
from tanq_monai.report.axial import EARS_MM
from tanq_monai.report.cases import ReportedCase, report_case, sorted_by_plausibility, sorted_by_truth
from tanq_monai.report.contours import colours_of
from tanq_monai.report.page import resource, write_page
from tanq_monai.report.stack import SCALE_MM, UNITS
from tanq_monai.scans.folder import LabelFiles, find_images
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.structures import STRUCTURES, Structures


def write_report(
    scan_dir: str | Path,
    prediction_dir: str | Path,
    output: str | Path,
    *,
    truth_dir: str | Path | None = None,
    structures: Structures = STRUCTURES,
    title: str | None = None,
    problems: Sequence[str] = (),
) -> None:
    """Write one self-contained HTML file about the predictions, the worst case first.

    What cannot be shown is told on the page and raised when it is written.

    Args:
        scan_dir: holds ``{case}_hrT2.nii.gz`` or ``{case}_T2.nii.gz``.
        prediction_dir: holds ``{case}_Label.nii.gz`` and perhaps ``{case}_Confidence.nii.gz``.
        output: the ``.html`` file; 64 cases take less than 50 MB, see :mod:`tanq_monai.report.stack`.
        truth_dir: holds ``{case}_Label.nii.gz``. Without it, volumes beside those of patients decide the order.
        structures: names and label values.
        title: of the page; default: the last two parts of ``prediction_dir``.
        problems: lines about scans that lie elsewhere and are not shown, either.

    Raises:
        InputErrors: after writing, when a case could not be shown.
        InputError: when no case can be shown, or the file must or can not be written; then nothing is
            written.
    """
    output = Path(output)
    if output.suffix.lower() != ".html":
        raise InputError(output, "is no name of a page", "let it end in .html")
    check_renewable([output])
    predictions, truths = LabelFiles(prediction_dir), None if truth_dir is None else LabelFiles(truth_dir)
    found = find_images(scan_dir)
    own, cases = [*found.problems, *(() if truths is None else truths.problems)], []
    for case in found.cases:
        try:
            cases.append(report_case(case, predictions, truths, structures))
        except InputError as problem:
            own.append(problem)
    if not cases:
        if not {case["case"] for case in found.cases} & set(predictions.cases):
            told = f"holds the prediction of none of the {len(found.cases)} scans in {scan_dir}"
            raise InputError(predictions.folder, told, f"give the folder with their CASE{LABEL_ENDING}")
        raise InputErrors(own)
    title = title or f"Segmentations in {'/'.join(predictions.folder.resolve().parts[-2:])}"
    _write(output, title, cases, [*problems, *map(str, own)], structures)
    if own:
        raise InputErrors(own)


def _write(
    output: Path,
    title: str,
    cases: Sequence[ReportedCase],
    problems: Sequence[str],
    names: Iterable[str],
) -> None:
    with_truth = bool(cases[0].scores)
    ordered = sorted_by_truth(cases) if with_truth else sorted_by_plausibility(cases)
    scores = pd.DataFrame([vars(score) for case in ordered for score in case.scores])
    values = {
        "title": title,
        "style": resource("viewer.css"),
        "script": resource("viewer.js"),
        "cases": ordered,
        "problems": problems,
        "summary": _summary(scores) if with_truth else [],
        "with_truth": with_truth,
        "with_confidence": any(not math.isnan(figure.confidence) for case in cases for figure in case.figures),
        "usual": published().geometry if any(case.judgements for case in cases) else None,
        "colours": colours_of(names),
        "starts": [_start(case) for case in ordered],
        "drawing": [round(UNITS * mm) for mm in EARS_MM],
        "ears_mm": EARS_MM,
        "scale_mm": SCALE_MM,
    }
    write_page(output, resource("report.html.jinja"), values)


def _start(case: ReportedCase) -> int:
    """The slice to begin with: that of the structure with the lowest Dice; of the first without a truth."""
    dice = {figure.structure: figure.dice for figure in case.figures if not math.isnan(figure.dice)}
    return min(case.stack.views, key=lambda view: dice.get(view.structure, math.inf)).z


def _summary(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the table: structure, metric, and its numbers as text."""
    names = {"dice": "Dice", "assd_mm": "ASSD mm"}
    rows = []
    for row in summarize(scores).reset_index().to_dict(orient="records"):
        metric = str(row["metric"])
        digits = 3 if metric == "dice" else 2
        means = ["n/a" if math.isnan(row[name]) else f"{row[name]:.{digits}f}" for name in ("mean", "sd", "median")]
        numbers = [*means, *(str(int(row[name])) for name in ("n", "n/a"))]
        rows.append({"structure": row["structure"], "metric": names[metric], "numbers": numbers})
    return rows
