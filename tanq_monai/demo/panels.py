"""Panels of a picture: a slice in grey with sides and scale bar, contours, frames, and the figure as PNG."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tanq_monai.report.axial import Volume, Window
from tanq_monai.report.contours import colours_of, contours
from tanq_monai.structures import STRUCTURES

COLOURS = colours_of(STRUCTURES)
BACKGROUND, TEXT = "#0b0d10", "#e8eaed"
_HALO = [withStroke(linewidth=2.5, foreground="black", alpha=0.7)]  # readable on bright tissue as well


def dark_figure(rows: int, columns: int, *, width: float, heights: list[float]) -> tuple[Figure, Any]:
    """Figure and its axes (rows, columns); panel sizes in inches."""
    size = (width * columns + 0.3, sum(heights) + 0.9)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.08), facecolor=BACKGROUND)
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=heights)


def show(axes: Any, scan: Volume, z: int, window: Window, *, limits: tuple[float, float], scale_mm: int) -> None:
    """One slice in grey, with the patient's sides and a scale bar."""
    low, high = limits
    extent = (0, scan.size[0], scan.size[1], 0)
    picture = scan.values[:, :, z].T
    axes.imshow(picture, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bicubic")
    (x, y), (wide, tall) = window
    axes.set_xlim(x - wide / 2, x + wide / 2)
    axes.set_ylim(y + tall / 2, y - tall / 2)
    axes.set(facecolor="black", xticks=[], yticks=[])
    style = {"color": TEXT, "path_effects": _HALO, "va": "top", "transform": axes.transAxes}
    axes.text(0.02, 0.97, "R", fontsize=10, ha="left", **style)
    axes.text(0.98, 0.97, "L", fontsize=10, ha="right", **style)
    right, bottom = x + wide * 0.46, y + tall * 0.44
    bar = {"color": TEXT, "path_effects": _HALO}
    axes.plot([right - scale_mm, right], [bottom, bottom], linewidth=2, solid_capstyle="butt", **bar)
    at = (right - scale_mm / 2, bottom - tall * 0.02)
    axes.text(*at, f"{scale_mm} mm", fontsize=8, ha="center", va="bottom", **bar)


def outline(axes: Any, labels: Volume, z: int, *, colours: Mapping[str, str] = COLOURS, style: str = "solid") -> None:
    """Contours of the structures in one slice."""
    for name, value in STRUCTURES.items():
        for line in contours(np.equal(labels.values[:, :, z], value), labels.spacing):
            axes.plot(*line.T, color=colours[name], linewidth=1.3, linestyle=style)


def frame(axes: Any, window: Window) -> None:
    """A box where another panel looks closer."""
    (x, y), (wide, tall) = window
    across = np.array([-1, 1, 1, -1, -1]) * wide / 2 + x
    down = np.array([-1, -1, 1, 1, -1]) * tall / 2 + y
    axes.plot(across, down, color=TEXT, linewidth=0.9, path_effects=_HALO)


def legend(figure: Figure, *more: Line2D) -> None:
    """Colours of the structures, and more lines, below the panels."""
    lines = [*(Line2D([], [], color=COLOURS[name], label=name) for name in STRUCTURES), *more]
    where = {"loc": "outside lower center", "ncols": len(lines)}
    figure.legend(handles=lines, frameon=False, labelcolor=TEXT, fontsize=10, **where)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, facecolor=figure.get_facecolor())
    return stream.getvalue()
