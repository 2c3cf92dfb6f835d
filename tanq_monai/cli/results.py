"""Predicted labels: scored, and shown."""

import sys
from typing import Literal

from tanq_monai.cli.output import leave_provenance


def evaluate(
    pred: str,
    truth: str,
    against: str | None = None,
    output_dir: str | None = None,
    structures: dict[str, int | list[int]] | None = None,
    assd: Literal["directed", "pooled"] = "directed",
    seed: int = 0,
) -> None:
    """Score predicted labels against the true ones, and against other predictions of the same cases.

    Dice and ASSD as crossMoDA defines them, on the grid of the truth, per structure and per site. Research use only.

    Args:
        pred: folder of {case}_Label.nii.gz.
        truth: folder of {case}_Label.nii.gz; decides which cases are scored.
        against: folder of other predictions, compared case by case with those of pred.
        output_dir: gets scores.csv, summary.csv, summary.txt, summary.tex, and comparison.csv with --against.
        structures: names and label values, several for a union. Default: {"VS": 1, "cochlea": 2}.
        assd: directed, the mean of the two directed means; or pooled, the mean over both surfaces.
        seed: of the bootstrap intervals.

    Examples:
        tanq-monai evaluate --pred labels --truth truth --output-dir scores
        tanq-monai evaluate --pred labels --truth truth --against others
    """
    from tanq_monai.evaluation.folder import evaluate_folder
    from tanq_monai.structures import STRUCTURES, ScoredStructures

    evaluation = evaluate_folder(
        pred,
        truth,
        against_dir=against,
        structures=ScoredStructures(structures or STRUCTURES),
        definition=assd,
        seed=seed,
    )
    sys.stdout.write(f"{evaluation}\n")
    if output_dir is not None:
        evaluation.save(output_dir)
        leave_provenance(evaluate, locals())
    evaluation.raise_mistakes()


def report(
    scans: str,
    pred: str,
    output: str,
    truth: str | None = None,
    cet1: str | None = None,
    structures: dict[str, int] | None = None,
    title: str | None = None,
) -> None:
    """Write one HTML file to look through a folder of predictions, slices with contours, the worst case first.

    It shows axial slices, a coronal and a sagittal picture of the VS and of each cochlea, volumes in ml beside those of
    patients, and the longest line of the VS in mm. Press ? on the page for its keys; printed, a case takes one sheet.
    With more than 64 cases the file is a list, worst first, and the pictures are in OUTPUT_page_01.html and so on
    beside it. Exit code 1 if a case could not be shown; the others are shown all the same.

    Args:
        scans: folder of CASE_hrT2.nii.gz or CASE_T2.nii.gz.
        pred: folder of CASE_Label.nii.gz, perhaps with CASE_Confidence.nii.gz.
        output: the HTML file.
        truth: folder of CASE_Label.nii.gz; without it the least plausible volumes come first.
        cet1: folder of CASE_ceT1.nii.gz of the same patients, registered to the scans, on any grid: shown beside them.
        structures: names and label values, e.g. '{"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}'. Default:
            VS 1, cochlea 2.
        title: of the page.

    Examples:
        tanq-monai report --scans scans --pred labels --output report.html
        tanq-monai report --scans scans --pred labels --truth truth --output report.html
        tanq-monai report --scans scans --pred labels --cet1 scans --output report.html
    """
    from tanq_monai.report import write_report
    from tanq_monai.structures import STRUCTURES, Structures

    write_report(
        scans,
        pred,
        output,
        truth_dir=truth,
        cet1_dir=cet1,
        structures=Structures(structures or STRUCTURES),
        title=title,
    )
