"""The figure of docs/data.md: a virtual patient through the inner ear, in every sequence, at one scale.

python scripts/phantom_figure.py --output docs/images/phantom.png
python scripts/phantom_figure.py --output beside.png --real DICOM_FOLDER --real-label LABEL.nii.gz    beside a real scan
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import fire
import matplotlib
import numpy as np

from tanq_monai.phantom import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_RESTORE,
    TILBURG_TSE,
    Patient,
    draw_patient,
    make_grid,
    render,
)
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_volume

matplotlib.use("Agg")
import matplotlib.pyplot as plt

VIEW = (128.0, 96.0)  # mm shown, left-right and front-back
ZOOM = (44.0, 33.0)  # the same of the ear with the VS
HEIGHTS = (-3.0, 0.0, 3.0)  # mm above the cochleae
VOXELS = {
    LONDON_FLASH: ((0.41, 0.41, 1.5), 2.0),
    LONDON_CISS: ((0.47, 0.47, 1.5), 1.0),
    LONDON_RESTORE: ((0.47, 0.47, 1.5), 1.0),
    TILBURG_TSE: ((0.40, 0.40, 1.0), 2.0),
}  # spacing in mm, stored pixels per acquired pixel


@dataclass(frozen=True)
class Scan:
    """One column: ``middle`` between the cochleae and ``ear``, the cochlea beside the VS, in mm (RAS)."""

    title: str
    image: np.ndarray
    label: np.ndarray
    affine: np.ndarray
    middle: np.ndarray
    ear: np.ndarray


def main(output: str, seed: int = 9, real: str | None = None, real_label: str | None = None) -> None:
    """Draw the figure.

    Args:
        output: PNG file.
        seed: of the virtual patient.
        real: folder with a DICOM series of a ceT1 scan, shown in the first column.
        real_label: its label (1 VS, 2 one cochlea).
    """
    if (real is None) != (real_label is None):
        sys.exit("error: --real and --real-label: one is missing; give both, or none")
    patient = draw_patient(seed)
    scans = [virtual_scan(patient, protocol, seed) for protocol in VOXELS]
    if real and real_label:
        scans.insert(0, real_scan(Path(real), Path(real_label)))
    rows = len(HEIGHTS) + 1
    size = (3.2 * len(scans), 3.2 * rows * VIEW[1] / VIEW[0] + 0.4)
    figure, axes = plt.subplots(rows, len(scans), figsize=size, layout="constrained", squeeze=False)
    for column, scan in zip(axes.T, scans, strict=True):
        column[0].set_title(scan.title, fontsize=10)
        for axis, height in zip(column, HEIGHTS, strict=False):
            show(axis, scan, scan.middle + np.array((0, -4, height)), VIEW)
        show(
            column[-1],
            scan,
            scan.ear + np.array((-6 * np.sign(scan.ear[0] - scan.middle[0]), -4, 0)),
            ZOOM,
            contours=True,
        )
    figure.savefig(output, dpi=110)


def virtual_scan(patient: Patient, protocol, seed: int) -> Scan:
    """The patient, straight, with the sequence's own voxels."""
    spacing, interpolation = VOXELS[protocol]
    shape = tuple(int(extent / step) for extent, step in zip((132, 104, 24), spacing, strict=True))
    grid = make_grid(
        shape, spacing, center=(0, -4, 0), factor=(1, 1, 2), ear_factor=(2, 2, 4), interpolation=interpolation
    )
    image, label = render(patient, protocol, grid, np.random.default_rng(seed))
    centers = [np.asarray(ear.cochlea) for ear in patient.ears]
    return Scan(
        f"phantom, {protocol.contrast}: {protocol.name}",
        image,
        label,
        grid.affine,
        np.mean(centers, axis=0),
        _beside(label, grid.affine, centers),
    )


def real_scan(folder: Path, label_path: Path) -> Scan:
    """A real scan with one labelled cochlea; the other one is taken to lie 69.5 mm beside it."""
    scan = read_volume(folder)
    image, affine = scan.voxels, scan.affine
    label = read_labels(label_path, (1, 2), scan.grid).labels
    cochlea = np.argwhere(label == 2).mean(0) @ affine[:3, :3].T + affine[:3, 3]
    vs = np.argwhere(label == 1).mean(0) @ affine[:3, :3].T + affine[:3, 3]
    middle = cochlea + np.array((np.sign(vs[0] - cochlea[0]) * 34.75, 0, 0))
    return Scan("real ceT1 (VS-SEG-001)", image, label, affine, middle, cochlea)


def show(axis, scan: Scan, center: np.ndarray, extent: tuple[float, float], contours: bool = False) -> None:
    """The slice nearest to ``center``, ``extent`` mm wide and high, right of the patient at the left."""
    index = np.linalg.inv(scan.affine) @ np.append(center, 1)
    k = int(np.clip(round(index[2]), 0, scan.image.shape[2] - 1))
    step_x, step_y = -scan.affine[0, 0], -scan.affine[1, 1]
    left, back = -index[0] * step_x, -index[1] * step_y  # mm from the center to the first pixel
    box = (left, left + scan.image.shape[0] * step_x, back + scan.image.shape[1] * step_y, back)
    bright = 1.15 * np.percentile(scan.image[scan.label == 1], 97) if "ceT1" in scan.title else 0.0
    window = bright or np.percentile(scan.image, 99.3)
    axis.imshow(scan.image[:, :, k].T, cmap="gray", vmin=0, vmax=window, extent=box, interpolation="bilinear")
    if contours:
        for value, color in ((1, "yellow"), (2, "cyan")):
            outline = np.equal(scan.label[:, :, k].T, value).astype(float)
            if outline.any():
                axis.contour(outline, [0.5], colors=color, extent=(box[0], box[1], box[3], box[2]), linewidths=0.9)
    axis.set(xlim=(-extent[0] / 2, extent[0] / 2), ylim=(extent[1] / 2, -extent[1] / 2), xticks=[], yticks=[])


def _beside(label: np.ndarray, affine: np.ndarray, centers: list[np.ndarray]) -> np.ndarray:
    """The cochlea on the side of the VS."""
    if not (label == 1).any():
        return centers[0]
    vs = np.argwhere(label == 1).mean(0) @ affine[:3, :3].T + affine[:3, 3]
    return min(centers, key=lambda center: abs(center[0] - vs[0]))


if __name__ == "__main__":
    fire.Fire(main)
