"""Summaries and comparisons of scores as text, CSV and LaTeX."""

import math
import re
from collections.abc import Iterable, Sequence

import pandas as pd

NOT_APPLICABLE = "n/a"
METRIC_NAMES = {"dice": "Dice", "assd_mm": "ASSD (mm)"}
_HEADERS = {"d_z": "$d_z$"}  # what is a formula in LaTeX
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def summary_cells(summary: pd.DataFrame) -> pd.DataFrame:
    """The cells of :func:`~tanq_monai.metrics.statistics.summarize_sites` as text; no site where there is but one."""
    several = summary.index.get_level_values("site").nunique() > 1
    table = summary if several else summary.droplevel("site")
    cells = pd.DataFrame(
        {
            "mean": _numbers(table["mean"]),
            "sd": _numbers(table["sd"]),
            "median": _numbers(table["median"]),
            "95% CI of the mean": _intervals(table),
            "n": table["n"].astype(str),
            "n/a": table["n/a"].astype(str),
        },
        index=table.index,
    )
    return cells.rename(index=METRIC_NAMES, level="metric")


def comparison_cells(comparison: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """The cells of :func:`~tanq_monai.metrics.comparison.compare` as text.

    Args:
        comparison: table.
        names: of the segmentation and of the one that it is compared with.
    """
    marked = zip(comparison["p_t"], comparison["stars"], strict=True)
    cells = pd.DataFrame(
        {
            names[0]: _numbers(comparison["mean"]),
            names[1]: _numbers(comparison["against"]),
            "difference": _numbers(comparison["difference"]),
            "95% CI": _intervals(comparison),
            "p (t-test)": [f"{_number(p, '.2g')} {marks}".strip() for p, marks in marked],
            "p (Wilcoxon)": _numbers(comparison["p_wilcoxon"], ".2g"),
            "d_z": _numbers(comparison["d_z"], ".2f"),
            "n": comparison["n"].astype(str),
        },
        index=comparison.index,
    )
    return cells.rename(index=METRIC_NAMES, level="metric")


def as_csv(table: pd.DataFrame, *, index: bool = True) -> str:
    """Six digits, which keep a small p; ``n/a`` where there is no number."""
    return table.to_csv(index=index, float_format="%.6g", na_rep=NOT_APPLICABLE)


def as_latex(cells: pd.DataFrame) -> str:
    """A ``tabular`` of the package booktabs: the index on the left, a name only where it changes."""
    names = [str(name) for name in cells.index.names]
    titles = [_HEADERS.get(name, escape_latex(name)) for name in map(str, cells.columns)]
    header = _row([*(escape_latex(name.capitalize()) for name in names), *titles])
    body: list[str] = []
    last = ("",) * len(names)
    for key, values in zip(cells.index, cells.to_numpy(), strict=True):
        shown = ["" if key[: level + 1] == last[: level + 1] else str(part) for level, part in enumerate(key)]
        if shown[0] and body:
            body.append(r"\addlinespace")
        body.append(_row([*map(escape_latex, shown), *map(_typeset, values)]))
        last = key
    columns = "l" * len(names) + "r" * len(cells.columns)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"])


def escape_latex(text: str) -> str:
    """Text whose characters LaTeX sets as they are."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _typeset(cell: str) -> str:
    """``-0.5`` with a minus instead of a hyphen, ``2e-05`` as a power of ten."""
    powers = re.sub(r"([\d.]+)e-0*(\d+)", r"$\1 \\cdot 10^{-\2}$", cell)
    return re.sub(r"(?<![\w.{])-(?=\d)", "$-$", powers)


def _numbers(values: Iterable[float], digits: str = ".4f") -> list[str]:
    return [_number(value, digits) for value in values]


def _number(value: float, digits: str) -> str:
    return NOT_APPLICABLE if math.isnan(value) else format(value, digits)


def _intervals(table: pd.DataFrame) -> list[str]:
    ends = zip(_numbers(table["ci_low"]), _numbers(table["ci_high"]), strict=True)
    return [NOT_APPLICABLE if NOT_APPLICABLE in pair else f"[{pair[0]}, {pair[1]}]" for pair in ends]
