"""Pictures of the report: axial slices through the ears, the patient's right on the left as radiologists see it.

Volumes are reoriented to LPS by their affine, so any storage order shows correctly: x runs to the patient's
left, y to the back, z up; positions in the plane are mm from the corner of the volume.
"""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tanq_monai.metrics import STRUCTURES, dice, voxel_spacing

COLOURS = {"VS": "#ffb000", "cochlea": "#22d3ee"}  # apart for colour-blind eyes, and from grey
BACKGROUND, TEXT = "#0b0d10", "#e8eaed"
EARS_MM = (104.0, 64.0)  # both cochleae lie 68-71 mm apart
CLOSE_MM = {"VS": (46.0, 46.0), "cochlea": (24.0, 24.0)}


class _Volume(NamedTuple):
    values: npt.NDArray[Any]
    spacing: npt.NDArray[np.float64]


class _Place(NamedTuple):
    """A structure's largest slice and its centre there, mm."""

    name: str
    structure: str
    z: int
    centre: tuple[float, float]


class _Window(NamedTuple):
    """What a panel shows of a slice, mm."""

    centre: tuple[float, float]
    size: tuple[float, float]


def translation_figure(
    ceT1: nib.Nifti1Image,
    pseudo: nib.Nifti1Image,
    label: nib.Nifti1Image,
    real_hrT2: nib.Nifti1Image,
    *,
    real_label: nib.Nifti1Image | None = None,
) -> bytes:
    """PNG of ceT1, its translation and a real hrT2 of another patient: whole slice, then ears with contours.

    Args:
        ceT1: source scan.
        pseudo: its translation, on the grid of ``ceT1``.
        label: 0 background, 1 VS, 2 cochlea, on the grid of ``ceT1``.
        real_hrT2: scan of the target domain, on its own grid.
        real_label: finds the ears of ``real_hrT2``; without it the middle slice is shown, without contours.
    """
    source, target = _volume(label), _volume(real_hrT2 if real_label is None else real_label)
    if real_label is None:
        target = target._replace(values=np.zeros(target.values.shape, dtype=np.uint8))
    columns = [
        ("ceT1 (source, labelled)", _volume(ceT1), source),
        ("pseudo-hrT2 (translated)", _volume(pseudo), source),
        ("hrT2 (target domain, another patient)", _volume(real_hrT2), target),
    ]
    rows = _largest_slices(source)
    whole = tuple(max(_size(scan)[axis] for _, scan, _ in columns) for axis in range(2))
    heights = [4.4 * whole[1] / whole[0], *[4.4 * EARS_MM[1] / EARS_MM[0]] * len(rows)]
    figure, axes = _figure(len(rows) + 1, 3, width=4.4, heights=heights)
    for column, (title, scan, labels) in enumerate(columns):
        slices, ears = _largest_slices(labels), _ears(labels)
        limits = _grey_limits(scan)
        first = next(iter(slices.values()))
        middle = (_size(scan)[0] / 2, _size(scan)[1] / 2)
        _show(axes[0][column], scan, first, _Window(middle, (whole[0], whole[1])), limits=limits, scale_mm=50)
        _frame(axes[0][column], ears)
        axes[0][column].set_title(title, color=TEXT, fontsize=12)
        for row, structure in enumerate(rows, start=1):
            panel, z = axes[row][column], slices.get(structure, first)
            _show(panel, scan, z, ears, limits=limits, scale_mm=20)
            _outline(panel, labels, z)
    for row, text in enumerate(
        ["whole slice", *[f"largest {name}" if name else "middle slice" for name in rows]]
    ):
        axes[row][0].set_ylabel(text, color=TEXT, fontsize=11)
    _legend(figure, [Line2D([], [], color=COLOURS[name], label=name) for name in STRUCTURES])
    return _png(figure)


def segmentation_figure(
    hrT2: nib.Nifti1Image,
    truth: nib.Nifti1Image,
    predictions: Mapping[str, nib.Nifti1Image],
) -> bytes:
    """PNG of one test scan: a row per structure; overview, truth and each segmenter's contours, with 3D Dice.

    Args:
        hrT2: the scan.
        truth: 0 background, 1 VS, 2 cochlea, on the grid of ``hrT2``.
        predictions: label maps of the same grid by the name of their segmenter.

    Raises:
        ValueError: when the label maps differ in shape.
    """
    scan, true = _volume(hrT2), _volume(truth)
    found = {name: _volume(image) for name, image in predictions.items()}
    places = _places(true)
    figure, axes = _figure(len(places), 2 + len(found), width=2.9, heights=[2.9] * len(places))
    limits = _grey_limits(scan)
    for row, place in zip(axes, places, strict=True):
        close = _Window(place.centre, CLOSE_MM[place.structure])
        _show(
            row[0], scan, place.z, _Window(_ears(true).centre, (EARS_MM[0],) * 2), limits=limits, scale_mm=20
        )
        _frame(row[0], close)
        row[0].set_ylabel(place.name, color=TEXT, fontsize=11)
        for panel, labels in zip(row[1:], [true, *found.values()], strict=True):
            _show(panel, scan, place.z, close, limits=limits, scale_mm=10 if place.structure == "VS" else 5)
            if labels is not true:
                _outline(panel, true, place.z, colours=dict.fromkeys(COLOURS, "white"), style="dotted")
            _outline(panel, labels, place.z)
    titles = [
        "hrT2, overview",
        "truth",
        *[f"{name}\n{_dice_text(labels, true)}" for name, labels in found.items()],
    ]
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, color=TEXT, fontsize=10)
    lines = [Line2D([], [], color=COLOURS[name], label=name) for name in STRUCTURES]
    _legend(
        figure, [*lines, Line2D([], [], color="white", linestyle="dotted", label="truth beside a prediction")]
    )
    return _png(figure)


def training_figure(panels: Mapping[str, pd.DataFrame]) -> bytes:
    """PNG with one panel per entry: each column of the table is a line over its index (epoch or step)."""
    figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained", facecolor="white")
    for axes, (title, table) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for name, values in table.items():
            axes.plot(table.index, values, label=str(name), linewidth=1.6)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel(str(table.index.name or "epoch"))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def _volume(image: nib.Nifti1Image) -> _Volume:
    """The image in LPS order."""
    wanted = nib.orientations.axcodes2ornt("LPS")
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted))
    return _Volume(np.asarray(turned.dataobj), voxel_spacing(turned.affine))


def _size(volume: _Volume) -> tuple[float, float]:
    width, height = volume.values.shape[:2] * volume.spacing[:2]
    return float(width), float(height)


def _grey_limits(scan: _Volume) -> tuple[float, float]:
    low, high = np.percentile(scan.values, [1, 99.7])
    return float(low), float(max(high, low + 1e-6))


def _largest_slices(labels: _Volume) -> dict[str, int]:
    """The slice where each structure is largest, each slice once; the middle slice if none is there."""
    slices: dict[str, int] = {}
    for name, value in STRUCTURES.items():
        areas = np.count_nonzero(labels.values == value, axis=(0, 1))
        if areas.any() and int(areas.argmax()) not in slices.values():
            slices[name] = int(areas.argmax())
    return slices or {"": labels.values.shape[2] // 2}


def _places(labels: _Volume) -> list[_Place]:
    """VS, and the cochleae of either side."""
    places = []
    for name, value in STRUCTURES.items():
        where = np.argwhere(labels.values == value)
        if not len(where):
            continue
        left = where[:, 0] * labels.spacing[0]
        middle = (left.min() + left.max()) / 2
        sides = {name: where}
        if name == "cochlea" and np.ptp(left) > 30:  # a cochlea is 6 mm wide: these are two
            sides = {f"right {name}": where[left <= middle], f"left {name}": where[left > middle]}
        for side, voxels in sides.items():
            z = int(np.bincount(voxels[:, 2]).argmax())
            x, y = (voxels[voxels[:, 2] == z][:, :2].mean(axis=0) + 0.5) * labels.spacing[:2]
            places.append(_Place(side, name, z, (float(x), float(y))))
    return places or [_Place("no structure", "VS", labels.values.shape[2] // 2, _ears(labels).centre)]


def _ears(labels: _Volume) -> _Window:
    """A window round all structures; the middle of the slice when there are none."""
    voxels = np.argwhere(labels.values > 0)[:, :2]
    if not len(voxels):
        width, height = _size(labels)
        return _Window((width / 2, height / 2), EARS_MM)
    x, y = (voxels.min(axis=0) + voxels.max(axis=0) + 1) / 2 * labels.spacing[:2]
    return _Window((float(x), float(y)), EARS_MM)


def _dice_text(prediction: _Volume, truth: _Volume) -> str:
    scores = {
        name: dice(prediction.values == value, truth.values == value) for name, value in STRUCTURES.items()
    }
    return ", ".join(
        f"{name} {'n/a' if np.isnan(score) else f'{score:.2f}'}" for name, score in scores.items()
    )


def _figure(rows: int, columns: int, *, width: float, heights: list[float]) -> tuple[Figure, Any]:
    size = (width * columns + 0.3, sum(heights) + 0.9)
    figure = Figure(figsize=size, layout="constrained", facecolor=BACKGROUND)
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, axes


def _show(
    axes: Any, scan: _Volume, z: int, window: _Window, *, limits: tuple[float, float], scale_mm: int
) -> None:
    """One slice in grey with sides and a scale bar."""
    width, height = _size(scan)
    low, high = limits
    extent = (0, width, height, 0)
    axes.imshow(
        scan.values[:, :, z].T, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bicubic"
    )
    (x, y), (wide, high_mm) = window
    axes.set_xlim(x - wide / 2, x + wide / 2)
    axes.set_ylim(y + high_mm / 2, y - high_mm / 2)
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    for side, place, align in (("R", 0.02, "left"), ("L", 0.98, "right")):
        axes.text(place, 0.5, side, color=TEXT, fontsize=9, ha=align, va="center", transform=axes.transAxes)
    right, bottom = x + wide * 0.46, y + high_mm * 0.44
    axes.plot([right - scale_mm, right], [bottom, bottom], color=TEXT, linewidth=2, solid_capstyle="butt")
    label_at = (right - scale_mm / 2, bottom - high_mm * 0.02)
    axes.text(*label_at, f"{scale_mm} mm", color=TEXT, fontsize=8, ha="center", va="bottom")


def _outline(
    axes: Any,
    labels: _Volume,
    z: int,
    *,
    colours: Mapping[str, str] = COLOURS,
    style: str = "solid",
) -> None:
    """Contours of the structures in one slice."""
    across, down = (
        (np.arange(n) + 0.5) * mm for n, mm in zip(labels.values.shape[:2], labels.spacing[:2], strict=True)
    )
    for name, value in STRUCTURES.items():
        mask = value == labels.values[:, :, z].T
        if mask.any():
            axes.contour(
                across, down, mask, levels=[0.5], colors=colours[name], linewidths=1.3, linestyles=style
            )


def _frame(axes: Any, window: _Window) -> None:
    (x, y), (wide, high) = window
    corners_x = np.array([-1, 1, 1, -1, -1]) * wide / 2 + x
    corners_y = np.array([-1, -1, 1, 1, -1]) * high / 2 + y
    axes.plot(corners_x, corners_y, color=TEXT, linewidth=0.8, alpha=0.8)


def _legend(figure: Figure, lines: list[Line2D]) -> None:
    figure.legend(
        handles=lines,
        loc="outside lower center",
        ncols=len(lines),
        frameon=False,
        labelcolor=TEXT,
        fontsize=10,
    )


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, facecolor=figure.get_facecolor())
    return stream.getvalue()
