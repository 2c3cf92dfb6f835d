"""Pictures of the report: axial slices through the ears, the patient's right on the left."""

from collections.abc import Mapping

import nibabel as nib
import numpy as np
from matplotlib.lines import Line2D

from tanq_monai.demo.panels import COLOURS, TEXT, dark_figure, frame, legend, outline, png, show
from tanq_monai.metrics.dice import dice
from tanq_monai.report.axial import EARS_MM, Volume, Window, ears, grey_limits, largest_slices, places, turned_to_lps
from tanq_monai.structures import STRUCTURES

CLOSE_MM = {"VS": (46.0, 46.0), "cochlea": (24.0, 24.0)}
CLOSE_SCALE_MM = {"VS": 10, "cochlea": 5}


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
    source, real = turned_to_lps(label), turned_to_lps(real_hrT2)
    nothing = real._replace(values=np.zeros(real.values.shape, dtype=np.uint8))
    target = nothing if real_label is None else turned_to_lps(real_label)
    columns = {
        "ceT1 (source, labelled)": (turned_to_lps(ceT1), source),
        "pseudo-hrT2 (translated)": (turned_to_lps(pseudo), source),
        "hrT2 (target domain, another patient)": (real, target),
    }
    rows = list(largest_slices(source))
    width, height = np.max([scan.size for scan, _ in columns.values()], axis=0)
    heights = [4.4 * height / width, *[4.4 * EARS_MM[1] / EARS_MM[0]] * len(rows)]
    figure, axes = dark_figure(len(heights), len(columns), width=4.4, heights=heights)
    for (whole, *close), (title, (scan, labels)) in zip(axes.T, columns.items(), strict=True):
        slices, limits = largest_slices(labels), grey_limits(scan)
        first = next(iter(slices.values()))
        show(whole, scan, first, Window(scan.middle, (width, height)), limits=limits, scale_mm=50)
        frame(whole, ears(labels))
        whole.set_title(title, color=TEXT, fontsize=12)
        for panel, structure in zip(close, rows, strict=True):
            z = slices.get(structure, first)
            show(panel, scan, z, ears(labels), limits=limits, scale_mm=20)
            outline(panel, labels, z)
    names = ["whole slice", *[f"largest {name}" if name else "middle slice" for name in rows]]
    for panel, name in zip(axes[:, 0], names, strict=True):
        panel.set_ylabel(name, color=TEXT, fontsize=11)
    legend(figure)
    return png(figure)


def segmentation_figure(
    hrT2: nib.Nifti1Image, truth: nib.Nifti1Image, predictions: Mapping[str, nib.Nifti1Image]
) -> bytes:
    """PNG of one test scan: a row per structure; overview, truth and each segmenter's contours, with 3D Dice.

    Every row has its own grey window, as the cochlea is darker than the fluid round the brain stem.

    Args:
        hrT2: the scan.
        truth: 0 background, 1 VS, 2 cochlea, on the grid of ``hrT2``.
        predictions: label maps of the same grid by the name of their segmenter.

    Raises:
        ValueError: when the label maps differ in shape.
    """
    scan, true = turned_to_lps(hrT2), turned_to_lps(truth)
    found = {name: turned_to_lps(image) for name, image in predictions.items()}
    rows = places(true)
    figure, axes = dark_figure(len(rows), 2 + len(found), width=2.9, heights=[2.9] * len(rows))
    overview = Window(ears(true).centre, (EARS_MM[0], EARS_MM[0]))
    for panels, (name, structure, z, centre) in zip(axes, rows, strict=True):
        close = Window(centre, CLOSE_MM[structure])
        limits, scale = grey_limits(scan, z, close), CLOSE_SCALE_MM[structure]
        show(panels[0], scan, z, overview, limits=grey_limits(scan), scale_mm=20)
        frame(panels[0], close)
        panels[0].set_ylabel(name, color=TEXT, fontsize=11)
        for panel, labels in zip(panels[1:], [true, *found.values()], strict=True):
            show(panel, scan, z, close, limits=limits, scale_mm=scale)
            if labels is not true:
                outline(panel, true, z, colours=dict.fromkeys(COLOURS, "white"), style="dotted")
            outline(panel, labels, z)
    titles = [
        "hrT2, overview",
        "truth",
        *[f"{name}\n{_dice_text(labels, true)}" for name, labels in found.items()],
    ]
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, color=TEXT, fontsize=10)
    legend(figure, Line2D([], [], color="white", linestyle="dotted", label="truth beside a prediction"))
    return png(figure)


def _dice_text(prediction: Volume, truth: Volume) -> str:
    scores = {
        name: dice(np.equal(prediction.values, value), np.equal(truth.values, value))
        for name, value in STRUCTURES.items()
    }
    return "Dice " + ", ".join(f"{name} {'n/a' if np.isnan(s) else f'{s:.2f}'}" for name, s in scores.items())
