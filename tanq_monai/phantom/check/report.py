"""The check's result as tables to read, in Markdown, and as a file with one line per scan."""

import csv
import datetime
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tanq_monai.errors import InputError
from tanq_monai.files import check_renewable, renewing, write_text
from tanq_monai.phantom.check.measure import Measurement
from tanq_monai.phantom.check.population import FEWEST_FOR_MEDIAN, TOLERANCE, Row, geometry_rows, ratio_rows, scan_rows
from tanq_monai.phantom.check.published import LONDON_HRT2

_TABLE, _PAGE = "phantom_check.csv", "phantom_check.md"
_PERCENTILES = (5, 25, 50, 75, 95)
_NOTES = f"""\
Published: sizes and places from the contours of 240 schwannomas and 145 cochleae (Shapey et al. 2021, doi
10.7937/TCIA.9YTJ-5Q73); ratios by signal equations from relaxation times at 1.5 T, MPRAGE from one real patient.
Every patient is to lie within p5 to p95, in the scan with the smaller voxels, the median of {FEWEST_FOR_MEDIAN} or more
patients within p25 to p75, and a sequence's median ratio within {TOLERANCE:.0%}. Up-down is from the middle of the
first labelled slice to that of the last. Brain is the pons, CSF the fourth ventricle, petrous bone a shell of 2 to 4 mm
round the cochlea; cochlear fluid is the 95th percentile in the cochlea's label, every other value a median. Cochlea /
petrous bone is published for MPRAGE only (one real patient), which the phantom has in 2 of 242 scans of London's ceT1;
on hrT2 the cochlea is judged by its fluid.
"""
_ABOUT_LONDON = f"""\
{LONDON_HRT2}: CISS in 193 of 242 scans, else 3D TSE restore, which the file does not say; published / published, and as
published is what lies between.
"""


@dataclass(frozen=True)
class Report:
    """What was measured, beside what is published.

    Args:
        title: what it is.
        command: that made it, without ``python -m tanq_monai``.
        measurements: one per scan.
        is_phantom: virtual patients, which have to be as published; real ones are only described.
        whole_scans: see :func:`~tanq_monai.phantom.check.population.scan_rows`.
        unreadable: an error per file that could not be measured.
    """

    title: str
    command: str
    measurements: list[Measurement]
    is_phantom: bool
    whole_scans: bool
    unreadable: tuple[InputError, ...] = ()

    @property
    def sections(self) -> tuple[list[Row], list[Row], list[Row]]:
        """Rows of geometry, ratios and scans."""
        return (
            geometry_rows(self.measurements),
            ratio_rows(self.measurements),
            scan_rows(self.measurements, self.whole_scans),
        )

    @property
    def failures(self) -> list[str]:
        """One line for everything that is not as published; none for real patients."""
        return [line for rows in self.sections for row in rows for line in row.failures] if self.is_phantom else []

    def markdown(self) -> str:
        """The tables, aligned so that they are as readable in a terminal."""
        geometry, ratios, scans = ([row for row in rows if len(row.values)] for rows in self.sections)
        words = ("ok", "FAILS") if self.is_phantom else ("as published", "differs")
        parts = [
            f"**{self.title}**, {datetime.date.today().isoformat()}, `python -m tanq_monai {self.command}`",
            _sides(self.measurements),
            _table(_GEOMETRY, [_geometry_cells(row, words) for row in geometry]),
            _table(_RATIOS, [_ratio_cells(row, words) for row in ratios]),
            _table(_SCANS, [_scan_cells(row, words) for row in scans]),
            _ABOUT_LONDON.strip() if any(m.sequence == LONDON_HRT2 for m in self.measurements) else "",
            _NOTES,
        ]
        return "\n\n".join(part for part in parts if part)

    def write(self, folder: str | Path) -> None:
        """Write ``phantom_check.md`` and ``phantom_check.csv``, the figures of every scan."""
        names = sorted({name for m in self.measurements for name in m.figures})
        with (
            renewing(Path(folder) / _TABLE) as path,
            path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["name", "scans", "sequence", "side", *names])
            for m in self.measurements:
                values = (m.figures.get(name, np.nan) for name in names)
                cells = ("" if np.isnan(value) else f"{value:.6g}" for value in values)
                writer.writerow([m.name, m.group, m.sequence, m.side or "", *cells])
        with renewing(Path(folder) / _PAGE) as path:
            write_text(self.markdown(), path)


def make_folder(folder: str | Path) -> None:
    """Make the folder for :meth:`Report.write`, before anything is measured for it.

    Raises:
        InputError: when it cannot be made, or no file can be written into it.
        InputErrors: when it holds files of these names that no run wrote.
    """
    check_renewable(Path(folder) / name for name in (_TABLE, _PAGE))
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, f"cannot be made ({error.strerror})", "choose another output folder") from error
    try:
        with tempfile.NamedTemporaryFile(dir=folder):  # permissions say too little: of root, of a read-only disk
            pass
    except OSError as error:
        raise InputError(folder, f"is not writable ({error.strerror})", "choose another output folder") from error


_LEVELS = "p" + " / ".join(str(p) for p in _PERCENTILES)
_GEOMETRY = ("mm, mm³", f"published {_LEVELS}", f"measured {_LEVELS}", "inside", "verdict")
_RATIOS = ("sequence", "ratio", "published", "median (p5, p95)", "n", "deviation", "verdict")
_SCANS = ("scans", "figure", "published", "median (p5, p95)", "n", "verdict")


def _geometry_cells(row: Row, words: tuple[str, str]) -> list[str]:
    inside = f"{len(row.values) - len(row.outside)} of {len(row.values)}" if row.every else "median"
    return [row.figure, _numbers(row.published), _numbers(_percentiles(row)), inside, _verdict(row, words)]


def _ratio_cells(row: Row, words: tuple[str, str]) -> list[str]:
    deviation = f"{np.median(row.values) / row.published[0] - 1:+.0%}" if len(row.published) == 1 else ""
    cells = [row.group, row.figure, _numbers(row.published), _spread(row), str(len(row.values)), deviation]
    return [*cells, _verdict(row, words)]


def _scan_cells(row: Row, words: tuple[str, str]) -> list[str]:
    unit = ", %" if row.figure.endswith("voxels") else ", mm"
    cells = [row.group, row.figure + unit, _numbers(row.published), _spread(row), str(len(row.values))]
    return [*cells, _verdict(row, words)]


def _verdict(row: Row, words: tuple[str, str]) -> str:
    if not row.published:
        return ""
    if not row.is_judged:
        return "too few"
    return words[1] if row.failures else words[0]


def _percentiles(row: Row) -> tuple[float, ...]:
    return tuple(np.percentile(row.values, _PERCENTILES))


def _spread(row: Row) -> str:
    low, middle, high = (f"{v:.3g}" for v in np.percentile(row.values, (5, 50, 95)))
    return f"{middle} ({low}, {high})"


def _numbers(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3g}" if value < 1000 else f"{value:.0f}" for value in values) or "not published"


def _sides(measurements: Sequence[Measurement]) -> str:
    """A sentence on the share of right-sided tumors."""
    sides = list({m.name: m.side for m in measurements if m.side}.values())
    if not sides:
        return ""
    return f"Right sided: {sides.count('right')} of {len(sides)} tumors, {sides.count('right') / len(sides):.0%}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
