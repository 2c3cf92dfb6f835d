"""The report of a folder of predictions: which cases can be shown, and what is told of the others."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import check_renewable
from tanq_monai.report.cases import cet1_file, report_case
from tanq_monai.report.paging import page_paths, write_pages
from tanq_monai.scans.folder import LabelFiles, find_images
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.structures import STRUCTURES, Structures


def write_report(
    scan_dir: str | Path,
    prediction_dir: str | Path,
    output: str | Path,
    *,
    truth_dir: str | Path | None = None,
    cet1_dir: str | Path | None = None,
    structures: Structures = STRUCTURES,
    title: str | None = None,
    problems: Sequence[str] = (),
) -> None:
    """Write one self-contained HTML file about the predictions, the worst case first.

    Of more than 64 cases it is a list, and their pictures are in pages of 64 beside it, see
    :mod:`tanq_monai.report.paging`.

    What cannot be shown is told on the page and raised when it is written.

    Args:
        scan_dir: holds ``{case}_hrT2.nii.gz`` or ``{case}_T2.nii.gz``.
        prediction_dir: holds ``{case}_Label.nii.gz`` and perhaps ``{case}_Confidence.nii.gz``.
        output: the ``.html`` file; 64 cases take less than 50 MB, see :mod:`tanq_monai.report.stack`.
        truth_dir: holds ``{case}_Label.nii.gz``. Without it, volumes beside those of patients decide the order.
        cet1_dir: holds ``{case}_ceT1.nii.gz`` of some cases, registered to the scans, on any grid: shown beside them.
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
    predictions, truths = LabelFiles(prediction_dir), None if truth_dir is None else LabelFiles(truth_dir)
    found = find_images(scan_dir)
    check_renewable([output, *page_paths(output, len(found.cases))])
    beside = None if cet1_dir is None else Path(cet1_dir)
    if beside is not None and not any(cet1_file(beside, case["case"]).is_file() for case in found.cases):
        told = f"holds the ceT1 of none of the {len(found.cases)} scans in {scan_dir}"
        raise InputError(beside, told, f"give the folder with their {cet1_file(Path(), 'CASE')}")
    own, cases = [*found.problems, *(() if truths is None else truths.problems)], []
    for case in tqdm(found.cases, desc="draw", unit="scan", disable=None):
        try:
            cases.append(report_case(case, predictions, truths, structures, beside))
        except InputError as problem:
            own.append(problem)
    if not cases:
        if not {case["case"] for case in found.cases} & set(predictions.cases):
            told = f"holds the prediction of none of the {len(found.cases)} scans in {scan_dir}"
            raise InputError(predictions.folder, told, f"give the folder with their CASE{LABEL_ENDING}")
        raise InputErrors(own)
    title = title or f"Segmentations in {'/'.join(predictions.folder.resolve().parts[-2:])}"
    write_pages(output, cases, structures, title, [*problems, *map(str, own)])
    if own:
        raise InputErrors(own)
