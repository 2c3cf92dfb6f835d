"""What weights do on scans of a hospital that no training saw: Dice, and VS painted where none can be.

    python scripts/zero_shot.py --scans IMAGES --truth LABELS --output-dir OUT [--model-dir MODEL] [--ears-first false]
        [--test-time vptta]

segments every {case}_hrT2.nii.gz of IMAGES with the weights of MODEL (default: those the bundle ships) and writes
OUT/zero_shot.csv: for each case the Dice of VS and cochlea, and the volume of false VS farther than 15 mm from all that
is labelled, in ml. Its last lines are the mean Dice, with 95 % bootstrap intervals over cases, and the median volume.
"""

from pathlib import Path

import fire
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.statistics import bootstrap_interval
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.steps import BUNDLES, bundle_step, run_steps
from tanq_monai.structures import STRUCTURES

BUNDLE = "vs_cochlea_seg"
FAR = 15.0  # mm


def zero_shot(
    scans: str,
    truth: str,
    output_dir: str,
    model_dir: str = str(BUNDLES / BUNDLE / "models"),
    ears_first: bool = True,
    test_time: str | None = None,
) -> None:
    """Segment, score, print.

    Args:
        scans: folder of {case}_hrT2.nii.gz.
        truth: folder of {case}_Label.nii.gz: 1 VS, 2 cochlea.
        output_dir: gets the labels and the table.
        model_dir: folder of a model.
        ears_first: as in inference.yaml.
        test_time: as in inference.yaml.
    """
    root = check_output_dir(output_dir).resolve()
    folders = {"dataset_dir": Path(scans).resolve(), "model_dir": Path(model_dir).resolve()}
    labels = root / "labels"
    choices = folders | {"output_dir": labels, "ears_first": ears_first, "test_time": test_time}
    segment = bundle_step("segment", BUNDLE, "inference", choices, reads=tuple(folders.values()), writes=(labels,))
    run_steps(root / "steps", [segment], "zero shot")
    files = LabelFiles(truth)
    table = pd.DataFrame([score(files.of(case), case, labels) for case in sorted(files.cases)])
    with renewing(root / "zero_shot.csv") as temporary:
        table.to_csv(temporary, index=False)
    print(table.round(3).to_string(index=False))
    for name in STRUCTURES:
        values = table[name].dropna().to_numpy()
        low, high = bootstrap_interval(values)
        print(f"{name}: mean Dice {values.mean():.3f} [{low:.3f}, {high:.3f}], n = {len(values)}")
    far = table["far VS ml"]
    print(f"false VS farther than {FAR:g} mm: median {far.median():.3f} ml, most {far.max():.3f} ml")


def score(truth_file: Path, case: str, label_dir: Path) -> dict[str, str | float]:
    """One row of the table."""
    truth = read_labels(truth_file, set(STRUCTURES.values()))
    found = read_labels(label_dir / f"{case}{LABEL_ENDING}", set(STRUCTURES.values()), truth.grid)
    overlaps = {name: dice(found.labels == value, truth.labels == value) for name, value in STRUCTURES.items()}
    return {
        "case": case,
        **overlaps,
        "far VS ml": far_volume(found.labels == STRUCTURES["VS"], truth.labels, truth.grid.affine),
    }


def far_volume(vs: NDArray[np.bool_], truth: NDArray[np.uint8], affine: NDArray[np.float64]) -> float:
    """Volume of ``vs`` (I, J, K) farther than 15 mm from all that is labelled in ``truth``, ml."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    far = ndimage.distance_transform_edt(truth == 0, sampling=spacing) > FAR if truth.any() else np.ones_like(vs)
    return float(np.count_nonzero(vs & far) * spacing.prod() / 1000)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(zero_shot)
