"""Pictures of the report: axial slices through the ears, the patient's right on the left."""

from collections.abc import Mapping

import nibabel as nib
import numpy as np
from matplotlib.lines import Line2D

from tanq_monai.demo.panels import COLOURS, TEXT, dark_figure, frame, legend, outline, png, show
from tanq_monai.metrics.dice import dice
from tanq_monai.report.axial import EARS_MM, Volume, Window, ears, grey_limits, places, turned_to_lps
from tanq_monai.structures import STRUCTURES

CLOSE_MM = {"VS": (46.0, 46.0), "cochlea": (24.0, 24.0)}
CLOSE_SCALE_MM = {"VS": 10, "cochlea": 5}


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
    for panels, (name, structure, z, centre, _) in zip(axes, rows, strict=True):
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
