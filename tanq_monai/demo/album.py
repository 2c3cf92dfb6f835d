"""The pictures of the report, from what the demo left in its folder."""

from pathlib import Path

import nibabel as nib

from tanq_monai.demo.pictures import segmentation_figure
from tanq_monai.demo.report import ADAPTED, SHIPPED_AS_THEY_ARE, SUPERVISED_BOUND, Picture
from tanq_monai.scans.naming import ENDING, LABEL_ENDING, case_of

PICTURES_PER_SECTION = 3
SHORT = {SHIPPED_AS_THEY_ARE: "shipped weights", ADAPTED: "adapted", SUPERVISED_BOUND: "supervised bound"}
LABELS = {SHIPPED_AS_THEY_ARE: "shipped", ADAPTED: "labels", SUPERVISED_BOUND: "supervised"}
"""Folder of the labels of the test scans, by the segmenter's title; the scores lie beside it."""


def draw_album(root: Path) -> list[Picture]:
    """Segmentations of a few test scans."""
    pictures = []
    for scan in _spread(sorted((root / "data/validation").glob(f"*{ENDING}"))):
        name = f"{case_of(scan)}{LABEL_ENDING}"
        png = segmentation_figure(
            nib.load(scan),
            nib.load(root / "data/withheld_labels/validation" / name),
            {SHORT[title]: nib.load(root / folder / name) for title, folder in LABELS.items()},
        )
        caption = "Contours of the truth and of each segmenter on an hrT2 scan that none of them was trained on."
        pictures.append(Picture("Segmentation of unseen hrT2", case_of(scan), caption, png))
    return pictures


def _spread(paths: list[Path]) -> list[Path]:
    """The first, a middle and the last path."""
    count = min(PICTURES_PER_SECTION, len(paths))
    return [paths[round(i * (len(paths) - 1) / max(count - 1, 1))] for i in range(count)]
