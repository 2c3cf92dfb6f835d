"""The table and the page about a course."""

import csv
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tanq_monai import RESEARCH_ONLY
from tanq_monai.anatomy.koos import KOOS
from tanq_monai.errors import printable
from tanq_monai.files import renewing, write_text
from tanq_monai.growth.course import FLAGGED, Change, Course, Visit
from tanq_monai.growth.plot import HEIGHT, WIDTH, plot_of
from tanq_monai.report.page import write_page

_KOOS = f"vs_{KOOS}"
COLUMNS = (
    *("case", "date", "vs_ml", "vs_ml_low", "vs_ml_high", "vs_side", _KOOS, "years"),
    *("change_percent", "change_percent_low", "change_percent_high", "flag_20_percent", "beyond_noise"),
    *("doubling_years", "doubling_years_low", "doubling_years_high", "remarks"),
)
"""Of the table; changes are from the visit before."""


@dataclass(frozen=True)
class Row:
    """A visit on the page, and what has changed since the one before, and since the first."""

    visit: Visit
    volume: str
    since_last: str
    since_first: str


def write_table(course: Course, path: Path) -> None:
    """Write a row for every visit as CSV, UTF-8.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    table.writeheader()
    for visit, change in zip(course.visits, (None, *course.steps), strict=True):
        table.writerow(_of_visit(course, visit) | (_of_change(change) if change else {}))
    with renewing(path) as temporary:
        write_text(text.getvalue(), temporary)


def write_course_page(course: Course, path: Path, note: str) -> None:
    """Write the page.

    Args:
        course: what it shows.
        path: of the ``.html`` file.
        note: where the volumes are from.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    values = {
        "warning": RESEARCH_ONLY,
        "rows": rows_of(course),
        "conclusion": conclusion(course),
        "noise": course.noise,
        "facts": course.noise.facts,
        "flagged": round(100 * FLAGGED),
        "plot": plot_of(course),
        "width": WIDTH,
        "height": HEIGHT,
        "note": note,
    }
    write_page(path, files(__package__).joinpath("growth.html.jinja").read_text(encoding="utf-8"), values)


def rows_of(course: Course) -> list[Row]:
    """Of the page and the terminal."""
    rows = []
    for number, (visit, step) in enumerate(zip(course.visits, (None, *course.steps), strict=True)):
        since_first = course.change(course.visits[0], visit).verdict if number > 1 else ""
        rows.append(Row(visit, _volume(course, visit), step.verdict if step else "", since_first))
    return rows


def conclusion(course: Course) -> str:
    """One line about the first and the last visit."""
    whole = course.whole
    days = f"From {whole.before.day} to {whole.after.day} ({whole.years:.1f} years)"
    return f"{days}: {whole.verdict}{_doubling(whole)}."


def _doubling(change: Change) -> str:
    years, least = change.doubling_years, change.doubling_at_least
    if years is not None:
        return f"; volume doubling time {years.value:.1f} years ({years.low:.1f} to {years.high:.1f})"
    return "" if least is None else f"; if it grows at all, its volume doubles in {least:.1f} years or more"


def _volume(course: Course, visit: Visit) -> str:
    if not visit.ml:
        return "no VS found"
    _, low, high = course.noise.volume(visit.ml)
    return f"{visit.ml:.3f} ml ({low:.3f} to {high:.3f})"


def _of_visit(course: Course, visit: Visit) -> dict[str, object]:
    told = {"case": printable(visit.case), "date": str(visit.day), "vs_ml": visit.ml, "vs_side": visit.side or ""}
    told |= {_KOOS: visit.koos.grade or "", "remarks": "; ".join(visit.remarks)}
    if not visit.ml:
        return told
    _, low, high = course.noise.volume(visit.ml)
    return told | {"vs_ml_low": round(low, 4), "vs_ml_high": round(high, 4)}


def _of_change(change: Change) -> dict[str, object]:
    told: dict[str, object] = {"years": round(change.years, 3)}
    if change.ratio is None:
        return told
    value, low, high = (round(100 * (ratio - 1), 1) for ratio in change.ratio)
    told |= {"change_percent": value, "change_percent_low": low, "change_percent_high": high}
    told |= {"flag_20_percent": _word(change.flagged), "beyond_noise": _word(change.beyond_noise)}
    if change.doubling_years is not None:
        names = ("doubling_years", "doubling_years_low", "doubling_years_high")
        told |= dict(zip(names, (round(years, 2) for years in change.doubling_years), strict=True))
    return told


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
