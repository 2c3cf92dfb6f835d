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

SHIPPED_AS_THEY_ARE = "shipped weights as they are (trained on other virtual patients)"
NO_ADAPTATION = "no adaptation (trained on ceT1)"
TRANSLATED = "translations (trained on pseudo-hrT2 of TANQ and CycleGAN)"
SELF_TRAINED = "self-training (on both, and real hrT2 with its own labels)"
SUPERVISED_BOUND = "supervised bound (trained on labelled hrT2)"


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
            ``seconds``; a column ``{column} sd`` is shown as +- beside its column.
        pictures: in the order of the page.
        facts: what is needed to do it again: seed, sizes, machine, versions, date, commands.

    Raises:
        InputError: when the file cannot be written.
    """
    template = files("tanq_monai.demo").joinpath("report.html.jinja").read_text(encoding="utf-8")
    sections = {name: list(group) for name, group in groupby(pictures, key=lambda picture: picture.section)}
    values = {
        "columns": [name for name in table.columns if not name.endswith(" sd")],
        "rows": [_row(str(name), cells) for name, cells in table.to_dict(orient="index").items()],
        "closed": {name: _percent(share) for name, share in gap_closed(table).items()},
        "sections": sections,
        "facts": facts,
    }
    write_page(output, template, values)


def gap_closed(table: pd.DataFrame) -> dict[str, float]:
    """Share of the Dice gap between no adaptation and the supervised bound that the adaptation closes, per structure.

    Args:
        table: as for :func:`write_report`.

    Returns:
        (self-training - no adaptation) / (bound - no adaptation): 0 is no better than no adaptation, 1 as good as the
        bound; nan where a row is missing or the bound is not above no adaptation.
    """
    shares = {}
    for structure in STRUCTURES:
        column = f"{structure} Dice"
        if column not in table or not {NO_ADAPTATION, SELF_TRAINED, SUPERVISED_BOUND} <= set(table.index):
            shares[structure] = math.nan
            continue
        low, reached, high = table[column].astype(float)[[NO_ADAPTATION, SELF_TRAINED, SUPERVISED_BOUND]]
        shares[structure] = (reached - low) / (high - low) if high > low else math.nan
    return shares


def _row(name: str, values: Mapping[Any, Any]) -> dict[str, Any]:
    cells = []
    for column, value in values.items():
        if column.endswith(" sd"):
            continue
        spread = values.get(f"{column} sd", math.nan)
        bar = float(value) if column.endswith("Dice") and _is_number(value) else None
        sd = _number(column, spread) if _is_number(spread) else ""
        cells.append({"column": column, "text": _number(column, value), "sd": sd, "bar": bar})
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
