"""How well a segmenter sees slices as the translator's training shows them to it, against its own inference.

python scripts/feedback_preparation.py --pseudo-dir PSEUDO --source-dir SOURCE --model-dir SEGMENTER/models \
    --prediction-dir LABELS

PSEUDO: {case}_hrT2.nii.gz of tanq_translation/configs/inference.yaml; SOURCE: the ceT1 scans and labels they were made
of; LABELS: of the segmenter's inference.yaml on PSEUDO.
"""

import platform
from datetime import date
from pathlib import Path

import fire
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.metrics.dice import dice
from tanq_monai.scans.folder import find_labelled
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.feedback import SegmenterFeedback, feedback_from_folder
from tanq_monai.structures import STRUCTURES
from tanq_monai.transforms.geometry import plan_slices

OWN = "own inference"


def feedback_preparation(
    pseudo_dir: str,
    source_dir: str,
    model_dir: str,
    prediction_dir: str,
    pixels: int = 256,
    pixel_mm: float = 0.41,
    slab_mm: float = 60.0,
) -> None:
    """Print the Dice per structure: own inference, slices z-scored each by itself, slices z-scored by their volume.

    Args:
        pseudo_dir: translations.
        source_dir: what they were made of.
        model_dir: of the segmenter of slices.
        prediction_dir: its labels of the translations.
        pixels: size of a slice, as in the translator's training.
        pixel_mm: as there.
        slab_mm: as there.
    """
    feedback = feedback_from_folder(model_dir, pixel_mm)
    rows = []
    for case in find_labelled(source_dir).cases:
        scan, known = read_volume(case["image"]), STRUCTURES.values()
        label = read_labels(case["label"], known, scan.grid).labels
        pseudo = read_volume(Path(pseudo_dir) / f"{case['case']}_hrT2.nii.gz").voxels
        prediction = read_labels(Path(prediction_dir) / f"{case['case']}_Label.nii.gz", known, scan.grid).labels
        grid = plan_slices(scan.voxels, scan.affine, pixels, pixel_mm, label, slab_mm)
        slices, truth = (
            torch.from_numpy(s)[:, None] for s in (grid.to_slices(pseudo), grid.to_slices(label, "nearest"))
        )
        for name, value in STRUCTURES.items():
            rows.append((case["case"], name, OWN, dice(prediction == value, label == value)))
        rows += [(case["case"], *row) for row in _seen(feedback, slices, truth)]
    table = pd.DataFrame(rows, columns=["case", "structure", "seen by", "dice"])
    wide = table.pivot_table("dice", ["structure", "case"], "seen by")
    print(wide.groupby("structure").agg(["mean", "std", "count"]).to_string(float_format="{:.4f}".format))
    print("difference from its own inference:")
    differences = wide.drop(columns=OWN).sub(wide[OWN], axis=0)
    print(differences.groupby("structure").agg(["mean", "std"]).to_string(float_format="{:.4f}".format))
    print(f"{platform.machine()}, torch {torch.__version__}, {date.today().isoformat()}")


def _seen(feedback: SegmenterFeedback, slices: Tensor, truth: Tensor) -> list[tuple[str, str, float]]:
    view = feedback.view
    labels, images = view.labels(truth).numpy(), view.images(slices)
    by_volume = (slices - slices.mean()) / slices.std(correction=0)
    resized = F.interpolate(by_volume, size=images.shape[2:], mode="bilinear", align_corners=False)
    rows = []
    for name, seen in (("slice by slice", images), ("by their volume", resized)):
        with torch.no_grad():
            found = view.logits(seen, feedback.segmenter).argmax(dim=1).numpy()
        rows += [(s, name, dice(found == value, labels == value)) for s, value in STRUCTURES.items()]
    return rows


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(feedback_preparation)
