"""Dated scans or labels in; the course of the VS, a table and a page out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tanq_monai.anatomy.koos import Koos
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import check_output_dir, check_renewable
from tanq_monai.growth.course import Course, Visit, course_of
from tanq_monai.growth.dates import check_one_patient, dates_of, read_dates
from tanq_monai.growth.noise import measured_noise
from tanq_monai.growth.output import conclusion, rows_of, write_course_page, write_table
from tanq_monai.labelling.labelled import Labelled, measure
from tanq_monai.labelling.labeller import CONTRAST
from tanq_monai.labelling.segment import segment_scans
from tanq_monai.scans.bids import DSEG, case_in, header_of
from tanq_monai.scans.dicom import read_header
from tanq_monai.scans.gathering import GatheredScan, Gathering, gather_scans
from tanq_monai.scans.naming import LABEL, case_of, is_nifti, suffix_of
from tanq_monai.structures import STRUCTURES

LABELS, TABLE, PAGE = "labels", "growth.csv", "growth.html"
_OWN = (
    "The scans were labelled by the shipped weights: look through the labels in labels/segmentations.html. "
    "A Koos grade is an estimate from label and scan."
)
_GIVEN = (
    "Labels were taken as they were given. How far those of their maker differ between scans of one day was not "
    "measured: the noise below is that of the shipped weights."
)


@dataclass(frozen=True)
class Growth:
    """What :func:`measure_growth` did.

    Attributes:
        course: of the VS.
        table: a row for every visit.
        page: the course as a plot and in words.
    """

    course: Course
    table: Path
    page: Path

    @property
    def lines(self) -> list[str]:
        """For a terminal: the visits, and what lies between the first and the last."""
        rows = []
        for row in rows_of(self.course):
            told = filter(None, (row.volume, str(row.visit.koos), row.since_last))
            rows.append(f"{row.visit.day} {row.visit.case}: {'; '.join(told)}")
        return [*rows, conclusion(self.course)]


def measure_growth(
    places: Sequence[str | Path],
    output_dir: str | Path,
    tell: Callable[[str], None],
    dates: str | Path | None = None,
    acq: str | None = None,
    **choices: Any,
) -> Growth:
    """Measure the VS of one patient in dated labels and scans, and write its course.

    Args:
        places: label maps called ``{case}_Label.nii.gz``, or ``_dseg`` in a BIDS derivative; and scans, see
            :func:`tanq_monai.scans.gathering.gather_scans`, which the shipped weights label first.
        output_dir: gets the table and the page, and in ``labels`` what
            :func:`tanq_monai.labelling.segment.segment_scans` makes of the scans.
        tell: is called with every line for a user while scans are labelled.
        dates: CSV file with the columns case and date; needed by what is no DICOM series, nor in a BIDS data set, with
            a date.
        acq: of BIDS data sets, the label of the acquisition that is taken; None: any.
        **choices: of the inference, such as ``threads``.

    Raises:
        InputError: when there are fewer than two visits, or one without a date, or of another patient.
        InputErrors: when a scan or label cannot be used; then no course is written.
    """
    folder = check_output_dir(output_dir).resolve()
    check_renewable([folder / TABLE, folder / PAGE])
    table = {} if dates is None else read_dates(dates)
    given = [Path(place) for place in places if is_nifti(Path(place)) and suffix_of(place) in (LABEL, DSEG)]
    others = [place for place in places if Path(place) not in given]
    found = gather_scans(others, CONTRAST, folder, acq) if others else Gathering()
    if found.problems:
        raise InputErrors(found.problems)
    labels = {_case(path): path for path in given}
    headers = {case: header_of(path) for case, path in labels.items()}
    headers |= {scan.case: _header(scan) for scan in found.scans}
    if len(headers) < 2 or len(headers) < len(given) + len(found.scans):
        where, problem = "growth", f"has {len(headers)} scans of different names"
        raise InputError(where, problem, "give two or more of one patient, each with a name of its own")
    check_one_patient(headers)
    days = dates_of(headers, table)
    labelled = [measure(case, path, path, STRUCTURES, ears_first=False) for case, path in labels.items()]
    if found.scans:
        done = segment_scans(others, folder / LABELS, tell, acq=acq, **choices)
        if done.problems:
            raise InputErrors("\n".join(done.problems))
        labelled += done.labelled
    course = course_of((_visit(one, days) for one in labelled), measured_noise())
    made = Growth(course, folder / TABLE, folder / PAGE)
    write_table(course, made.table)
    write_course_page(course, made.page, " ".join([*([_OWN] if found.scans else []), *([_GIVEN] if given else [])]))
    return made


def _case(label: Path) -> str:
    return case_in(label) if suffix_of(label) == DSEG else case_of(label)


def _header(scan: GatheredScan) -> Any:
    """Of a slice of a series; of a NIfTI file what its BIDS data set says, or None."""
    return header_of(scan.place) if is_nifti(scan.place) else read_header(scan.files[0])


def _visit(one: Labelled, days: Mapping[str, date]) -> Visit:
    vs = one.findings["VS"]
    return Visit(one.case, days[one.case], vs["volume_ml"], vs.get("side"), one.remarks, Koos.of(one.findings))
