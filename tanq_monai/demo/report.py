"""One HTML file that shows what the demo reached: table, pictures, and how to do it again."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from tanq_monai.report.page import write_page
from tanq_monai.structures import STRUCTURES

SHIPPED_AS_THEY_ARE = "shipped weights as they are"
ADAPTED = "adapted to its unlabelled hrT2"
SUPERVISED_BOUND = "supervised bound: trained on its labelled hrT2"
INTERVAL = " 95% CI"
_LEAST_GAP = 0.01  # Dice: of less no share is told


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Args:
        section: heading; neighbours of the same section stand under one.
        title: of the picture, e.g. the case.
        caption: what to look at.
        png: see :mod:`tanq_monai.demo.pictures`.
    """

    section: str
    title: str
    caption: str
    png: bytes

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def write_report(output: Path, table: pd.DataFrame, pictures: Sequence[Picture], facts: Mapping[str, str]) -> None:
    """Write a self-contained HTML page, at once or not at all.

    Args:
        output: the ``.html`` file.
        table: one row per segmenter (index); columns ``{structure} Dice``, ``{structure} ASSD mm``, ``n``,
            ``seconds``; a column ``{column} 95% CI`` is shown beside its column.
        pictures: in the order of the page.
        facts: what is needed to do it again: seed, sizes, machine, versions, date, commands.

    Raises:
        InputError: when the file cannot be written.
    """
    template = files("tanq_monai.demo").joinpath("report.html.jinja").read_text(encoding="utf-8")
    sections = {name: list(group) for name, group in groupby(pictures, key=lambda picture: picture.section)}
    values = {
        "columns": [name for name in table.columns if not name.endswith(INTERVAL)],
        "rows": [_row(str(name), cells) for name, cells in table.to_dict(orient="index").items()],
        "closed": {name: _percent(share) for name, share in gap_closed(table).items()},
        "sections": sections,
        "facts": facts,
    }
    write_page(output, template, values)


def gap_closed(table: pd.DataFrame) -> dict[str, float]:
    """Share of the Dice gap between shipped weights and supervised bound that the adaptation closes, per structure.

    Args:
        table: as for :func:`write_report`.

    Returns:
        (adapted - shipped) / (bound - shipped): 0 is no better than the shipped weights, 1 as good as the bound; nan
        where a row is missing or the bound is less than .01 above the shipped weights.
    """
    shares, titles = {}, [SHIPPED_AS_THEY_ARE, ADAPTED, SUPERVISED_BOUND]
    for structure in STRUCTURES:
        column = f"{structure} Dice"
        if column not in table or not set(titles) <= set(table.index):
            shares[structure] = math.nan
            continue
        low, reached, high = table[column].astype(float)[titles]
        shares[structure] = (reached - low) / (high - low) if high - low >= _LEAST_GAP else math.nan
    return shares


def _row(name: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    cells = []
    for column, value in values.items():
        if column.endswith(INTERVAL):
            continue
        bar = float(value) if column.endswith("Dice") and _is_number(value) else None
        cells.append(
            {
                "column": column,
                "text": _number(column, value),
                "interval": values.get(f"{column}{INTERVAL}", ""),
                "bar": bar,
            }
        )
    return {"name": name, "cells": cells}


def _number(column: str, value: Any) -> str:
    if not _is_number(value):
        return value if isinstance(value, str) else "n/a"
    if column.endswith("Dice"):
        return f"{value:.3f}"
    return f"{value:.2f}" if column.endswith("mm") else f"{value:,.0f}"


def _is_number(value: Any) -> bool:
    return not isinstance(value, str) and math.isfinite(value)


def _percent(share: float) -> str:
    return "n/a" if math.isnan(share) else f"{100 * share:.0f} %"
