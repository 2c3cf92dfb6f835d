"""Cases in their order on one page; or, of more than 64, on pages of 64 and one that lists all.

``report.html`` then has ``report_page_01.html``, ``report_page_02.html`` and so on beside it. Each is complete in
itself: a browser holds the pictures of 64 cases, not of a thousand.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tanq_monai.anatomy.published import published
from tanq_monai.evaluation.scoring import Score
from tanq_monai.files import is_written
from tanq_monai.report.axial import EARS_MM
from tanq_monai.report.cases import ReportedCase, sorted_by_plausibility, sorted_by_truth
from tanq_monai.report.contours import colours_of
from tanq_monai.report.drawing import MARKS
from tanq_monai.report.page import resource, write_page
from tanq_monai.report.stack import SCALE_MM
from tanq_monai.structures import Structures

CASES_PER_PAGE = 64


@dataclass(frozen=True)
class Entry:
    """A case of the list.

    Args:
        number: its place, from 1.
        case: what is known of it.
        start: the slice to begin with.
        address: where its pictures are.
    """

    number: int
    case: ReportedCase
    start: int
    address: str


class Page(NamedTuple):
    """One of several: its number, from 1, its address, and the numbers of its first and of its last case."""

    number: int
    address: str
    first: int
    last: int


def page_paths(output: Path, num_cases: int) -> list[Path]:
    """The pages with the pictures of more cases than one page has, in their order; none of fewer."""
    if num_cases <= CASES_PER_PAGE:
        return []
    return [_page_path(output, number + 1) for number in range(math.ceil(num_cases / CASES_PER_PAGE))]


def write_pages(
    output: Path, cases: Sequence[ReportedCase], structures: Structures, title: str, problems: Sequence[str]
) -> None:
    """Write the page, or all of them, worst case first.

    The list is written last, so that it leads to what is there; pages of an earlier run that had more are removed.

    Args:
        output: the page, or the list.
        cases: in any order, all with a truth or all without.
        structures: names and label values.
        title: of the pages.
        problems: lines about what is not shown.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    ordered = sorted_by_truth(cases) if cases[0].scores else sorted_by_plausibility(cases)
    entries = [Entry(number, case, _start(case), f"#case-{number}") for number, case in enumerate(ordered, start=1)]
    paths = page_paths(output, len(entries))
    firsts = range(0, len(entries), CASES_PER_PAGE)
    pages = [
        Page(number, _address(path), first + 1, min(first + CASES_PER_PAGE, len(entries)))
        for number, path, first in zip(count(1), paths, firsts, strict=False)
    ]
    values = _values(ordered, structures) | {"title": title, "problems": problems, "pages": pages}
    values |= {"list_address": _address(output)}
    template = resource("report.html.jinja")
    for path, page in zip(paths, pages, strict=True):
        own = {"entries": entries[page.first - 1 : page.last], "number": page.number, "summary": []}
        write_page(path, template, values | own)
    if pages:
        entries = [replace(entry, address=_page_of(entry, pages).address + entry.address) for entry in entries]
    write_page(output, template, values | {"entries": entries, "number": None if pages else 0})
    for path in takewhile(Path.exists, (_page_path(output, number) for number in count(len(pages) + 1))):
        if is_written(path):
            path.unlink()


def _values(cases: Sequence[ReportedCase], structures: Structures) -> dict[str, Any]:
    """What all pages tell."""
    scores = [score for case in cases for score in case.scores]
    return {
        "style": resource("viewer.css"),
        "script": resource("viewer.js"),
        "total": len(cases),
        "summary": _summary(scores) if scores else [],
        "with_truth": bool(scores),
        "with_cet1": any(case.stack.slices[0].beside is not None for case in cases),
        "with_confidence": any(not math.isnan(figure.confidence) for case in cases for figure in case.figures),
        "usual": published().geometry if structures.roles() is not None else None,
        "colours": colours_of(structures),
        "ears_mm": EARS_MM,
        "scale_mm": SCALE_MM,
        "marks": MARKS,
    }


def _page_of(entry: Entry, pages: Sequence[Page]) -> Page:
    return pages[(entry.number - 1) // CASES_PER_PAGE]


def _page_path(output: Path, number: int) -> Path:
    return output.with_name(f"{output.stem}_page_{number:02}{output.suffix}")


def _address(path: Path) -> str:
    """Of a file beside the page, whatever its name."""
    return quote(os.fsencode(path.name))


def _start(case: ReportedCase) -> int:
    """The slice to begin with: that of the structure with the lowest Dice; of the first without a truth."""
    dice = {figure.structure: figure.dice for figure in case.figures if not math.isnan(figure.dice)}
    return min(case.stack.views, key=lambda view: dice.get(view.structure, math.inf)).z


def _summary(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Rows of the table: structure, and as text mean and deviation, then median, of Dice and of ASSD; last n."""
    import pandas as pd  # which a page without truth, as that of an installation without torch, does without

    from tanq_monai.metrics.statistics import summarize

    rows: dict[str, list[str]] = {}
    for row in summarize(pd.DataFrame(map(vars, scores))).reset_index().to_dict(orient="records"):
        digits, numbers = 3 if row["metric"] == "dice" else 2, rows.setdefault(str(row["structure"]), [])
        mean, sd, median = (
            "n/a" if math.isnan(row[name]) else f"{row[name]:.{digits}f}" for name in ("mean", "sd", "median")
        )
        numbers += [f"{mean} ± {sd}", median]
        if row["metric"] == "assd_mm":
            numbers.append(str(int(row["n"])))
    return [{"structure": structure, "numbers": numbers} for structure, numbers in rows.items()]
