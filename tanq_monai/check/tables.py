"""What was found as rows of text: a table for the terminal, a CSV file with one line per file."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tanq_monai.check.across import CheckedScan
from tanq_monai.check.dataset import DatasetCheck
from tanq_monai.check.figures import Figures
from tanq_monai.errors import InputError, printable

YES, NO = "yes", "no"
FIGURES = ("voxels", "mm", "axes", "oblique °", "intensities", "VS mm³", "cochleae mm³")
"""Columns of the terminal and the page; a CSV file has every figure by itself."""

_CSV = {
    "oblique_deg": "oblique_deg",
    "shear_deg": "shear_deg",
    "qform_to_sform_mm": "transforms_mm",
    "lowest": "low",
    "highest": "high",
    "vs_mm3": "vs_mm3",
    "right_cochlea_mm3": "right_cochlea_mm3",
    "left_cochlea_mm3": "left_cochlea_mm3",
    "vs_pieces": "vs_pieces",
    "cochlea_pieces": "cochlea_pieces",
}


@dataclass(frozen=True)
class Row:
    """A file of the data set.

    Attributes:
        file: below the folder of the data set, where it lies there.
        scan: what was measured; None of what could not be read, or is no scan.
        problems: why it cannot be used, with what to do.
        remarks: what is worth a look.
    """

    file: str
    scan: CheckedScan | None
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def usable(self) -> str:
        """Whether nothing speaks against it."""
        return NO if self.problems else YES

    @property
    def cells(self) -> list[str]:
        """Of :data:`FIGURES`."""
        return _cells(self.scan.figures) if self.scan else [""] * len(FIGURES)


def rows_of(check: DatasetCheck) -> list[Row]:
    """Every scan that was read, then every other file that something is wrong with."""
    told: dict[str, list[str]] = {}
    for problem in check.problems:
        where, what = (
            (problem.where, f"{problem.problem}; {problem.remedy}")
            if isinstance(problem, InputError)
            else ("", str(problem))
        )
        told.setdefault(where, []).append(what)
    rows = []
    for scan in check.scans:
        image = scan.case["image"]
        rows.append(Row(_below(check.folder, image), scan, tuple(told.pop(image, ())), scan.figures.remarks))
    return [*rows, *(Row(_below(check.folder, where), None, tuple(what)) for where, what in told.items())]


@dataclass(frozen=True)
class Summary:
    """A folder of the data set: what its scans are like, as text.

    Attributes:
        part: its name.
        cells: text by the name of the column.
    """

    part: str
    cells: dict[str, str]


def summaries(check: DatasetCheck) -> list[Summary]:
    """One for each folder."""
    return [Summary(part, _summary([one for one in check.scans if one.part == part])) for part in check.parts]


def as_text(check: DatasetCheck) -> str:
    """The tables as they are printed: a line for each folder, then one for each file."""
    rows = rows_of(check)
    by_part = [["folder", *_summary([])], *([one.part, *one.cells.values()] for one in summaries(check))]
    head = ["file", *FIGURES, "usable", "remarks"]
    by_file = [head, *([row.file, *row.cells, row.usable, "; ".join(row.remarks)] for row in rows)]
    parts = [*_aligned(by_part), "", *_aligned(by_file), "", verdict(check)]
    return "\n".join(parts)


def verdict(check: DatasetCheck) -> str:
    """What it comes to, in a few words."""
    rows = rows_of(check)
    bad, odd = (sum(bool(getattr(row, name)) for row in rows) for name in ("problems", "remarks"))
    said = [f"Scans read: {len(check.scans)}", f"files that cannot be used as they are: {bad}", f"with remarks: {odd}"]
    said += [f"not looked at: {', '.join(check.unread)}"] if check.unread else []
    return printable("; ".join(said)) + ". Research use only."


def as_csv(check: DatasetCheck) -> str:
    """One line per file; a cell is empty where there is nothing to say."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    grid = ["voxels_i", "voxels_j", "voxels_k", "mm_i", "mm_j", "mm_k", "axes"]
    writer.writerow(["file", "folder", "case", "contrast", "label", "usable", *grid, *_CSV, "problems", "remarks"])
    for row in rows_of(check):
        writer.writerow(
            [row.file, *_case_cells(row), *_csv_cells(row), "; ".join(row.problems), "; ".join(row.remarks)]
        )
    return text.getvalue()


def _case_cells(row: Row) -> list[str]:
    if row.scan is None:
        return ["", "", "", "", row.usable]
    case = row.scan.case
    return [row.scan.part, case["case"], case["contrast"], YES if "label" in case else NO, row.usable]


def _csv_cells(row: Row) -> list[str]:
    if row.scan is None:
        return [""] * (7 + len(_CSV))
    figures = row.scan.figures
    grid = [*map(str, figures.shape), *(f"{mm:.6g}" for mm in figures.spacing), figures.orientation]
    numbers = (float(getattr(figures, name)) for name in _CSV.values())
    return [*grid, *("" if math.isnan(number) else f"{number:.6g}" for number in numbers)]


def _cells(figures: Figures) -> list[str]:
    return [
        " x ".join(map(str, figures.shape)),
        " x ".join(f"{mm:.3g}" for mm in figures.spacing),
        figures.orientation,
        f"{figures.oblique_deg:.1f}",
        _range([figures.low, figures.high]),
        _mm3(figures.vs_mm3),
        _both(figures.right_cochlea_mm3, figures.left_cochlea_mm3),
    ]


def _summary(scans: Sequence[CheckedScan]) -> dict[str, str]:
    figures = [scan.figures for scan in scans]
    axes = Counter(one.orientation for one in figures)
    return {
        "scans": str(len(scans)),
        "labels": str(sum("label" in scan.case for scan in scans)),
        "contrast": ", ".join(sorted({scan.case["contrast"] for scan in scans})),
        "axes": ", ".join(f"{name} {count}" for name, count in axes.most_common()),
        "smallest edge mm": _range([min(one.spacing) for one in figures]),
        "largest edge mm": _range([max(one.spacing) for one in figures]),
        "oblique °": _range([one.oblique_deg for one in figures]),
        "brightest voxel": _range([one.high for one in figures]),
        "VS mm³": _range([one.vs_mm3 for one in figures if one.vs_mm3 > 0]),
    }


def _range(values: Iterable[float]) -> str:
    known = sorted(values)
    ends = [f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}" for value in (known[:1] + known[-1:])]
    return " to ".join(dict.fromkeys(ends))


def _mm3(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"


def _both(right: float, left: float) -> str:
    return "" if math.isnan(right) else f"{_mm3(right)} / {_mm3(left)}"


def _below(folder: Path, file: str) -> str:
    """The name of a file as it is told: below the folder, where it lies there."""
    path = Path(file)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) and path != folder else file


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    cells = [[printable(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in cells]
