"""Whether a segmenter of slices goes by the place in its window: Dice by how far a structure lies off the middle.

    python scripts/window_place.py --scans IMAGES --truth LABELS [--model-dir MODEL]

gives the network windows of every {case}_hrT2.nii.gz of IMAGES, in the slice where each structure is largest, with its
largest piece in the middle of the window and off it, to four sides. Prints the mean Dice of that piece, and how much is
labelled falsely where it is farthest off: in the middle of the window and in all of it. A network that goes by the
picture alone loses nothing until the surroundings leave the window.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import fire
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.metrics.dice import dice
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import ENDING
from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.plan.plans import network_from_plans, patch_size_from_plans, space_from_plans
from tanq_monai.segmentation.plan.space import z_score
from tanq_monai.steps import BUNDLES
from tanq_monai.structures import STRUCTURES
from tanq_monai.weights import load_weights

OFFSETS = (0, 20, 40, 60)  # pixels
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
AROUND, FAR, MIDDLE = 12, 20, 20  # pixels: what counts as the piece; what is far from it; half the side of the middle

Predict = Callable[[NDArray[np.float32]], NDArray[np.integer]]


def window_place(scans: str, truth: str, model_dir: str = str(BUNDLES / "vs_cochlea_seg" / "models")) -> None:
    """Measure and print.

    Args:
        scans: folder of {case}_hrT2.nii.gz.
        truth: folder of {case}_Label.nii.gz: 1 VS, 2 cochlea.
        model_dir: folder of a 2D model.
    """
    plans, files = Path(model_dir) / "plans.json", LabelFiles(truth)
    size, spacing = patch_size_from_plans(plans)[-1], space_from_plans(plans).spacing[-1]
    predict = predictor(Path(model_dir))
    rows: list[dict[str, object]] = []
    for case in sorted(files.cases):
        scan = read_volume(Path(scans) / f"{case}_hrT2{ENDING}")
        labels = read_labels(files.of(case), set(STRUCTURES.values()), scan.grid).labels
        zoom = np.linalg.norm(scan.affine[:3, :2], axis=0) / spacing
        image = z_score(scan.voxels.astype(np.float32))
        for name, value in STRUCTURES.items():
            mask = labels == value
            if mask.any():
                k = int(mask.sum(axis=(0, 1)).argmax())
                piece = largest_piece(ndimage.zoom(mask[:, :, k].astype(np.float32), zoom, order=1) > 0.5)
                found = by_place(predict, ndimage.zoom(image[:, :, k], zoom, order=1), piece, value, size)
                rows += [{"case": case, "structure": name, **row} for row in found]
    table = pd.DataFrame(rows)
    table["off, mm"] = table["off"] * spacing
    print(table.groupby(["structure", "off, mm"])["dice"].agg(["mean", "count"]).round(3).to_string())
    last = table[table["off"] == OFFSETS[-1]]
    middle, everywhere = last["false_middle"].mean(), last["false"].mean()
    print(f"labelled falsely, farthest off: {middle:.2%} of the middle, {everywhere:.2%} of the window")


def predictor(model_dir: Path) -> Predict:
    """Labels (y, x) of a window (y, x) by the network of a model folder."""
    network = network_from_plans(model_dir / "plans.json", model_dir / "dataset.json")
    load_weights(network, model_dir / "model.pt")
    network.eval()

    @torch.inference_mode()
    def predict(window: NDArray[np.float32]) -> NDArray[np.integer]:
        labels: NDArray[np.integer] = network(torch.from_numpy(window)[None, None]).argmax(dim=1)[0].numpy()
        return labels

    return predict


def by_place(
    predict: Predict, image: NDArray[np.float32], piece: NDArray[np.bool_], value: int, size: int
) -> Iterator[dict[str, float]]:
    """A row for every window: how far ``piece`` lies off its middle, its Dice, what is labelled falsely.

    Args:
        predict: labels of a window.
        image: (x, y), of the plan's pixels; what lies beyond is as dark as its darkest pixel.
        piece: of the structure, of the same shape.
        value: the structure's label.
        size: of a window, both ways, pixels.
    """
    image = np.pad(image, size, constant_values=float(image.min()))
    piece = np.pad(piece, size)
    middle = np.rint(ndimage.center_of_mass(piece)).astype(int)
    for off in OFFSETS:
        for side in SIDES:
            start = np.rint(middle + off * np.array(side)).astype(int) - size // 2
            window = slice(start[0], start[0] + size), slice(start[1], start[1] + size)
            labels, true = predict(np.ascontiguousarray(image[window].T)).T, piece[window]
            near = ndimage.binary_dilation(true, iterations=AROUND)
            false = (labels > 0) & ~ndimage.binary_dilation(true, iterations=FAR)
            centre = slice(size // 2 - MIDDLE, size // 2 + MIDDLE)
            yield {
                "off": off,
                "dice": dice((labels == value) & near, true),
                "false_middle": false[centre, centre].mean(),
                "false": false.mean(),
            }


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask (x, y)."""
    pieces, count = ndimage.label(mask)
    found: NDArray[np.bool_] = pieces == 1 + int(np.argmax(ndimage.sum(mask, pieces, range(1, count + 1))))
    return found


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(window_place)
