"""What Dice and ASSD of one case cost, beside MedPy."""

import tempfile
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from medpy.metric import binary
from numpy.typing import NDArray

from benchmarks.measure import alternate, machine, report, tell
from tanq_monai.evaluation.scoring import Truth, evaluate_case, score_labels
from tanq_monai.metrics.surface_distance import voxel_spacing
from tanq_monai.scans.grid import in_scanner
from tanq_monai.scans.labels import LabelMap
from tanq_monai.structures import STRUCTURES, ScoredStructures

SPEED_BAR = 10.0  # times MedPy's
DIFFERENCE_BAR = 1e-6
SHAPE = (512, 512, 120)
AFFINE = np.diag([-0.41, -0.41, 1.5, 1.0])
# Centre (mm from the first voxel) and extent (mm), the published medians: a VS in its ear and both cochleae.
VS = ((90.0, 110.0, 80.0), (18.8, 15.5, 13.5))
COCHLEAE = (((70.0, 105.0, 76.0), (5.8, 4.8, 4.5)), ((139.5, 105.0, 76.0), (5.8, 4.8, 4.5)))
FALSE_POSITIVE = ((200.0, 200.0, 8.0), (4.0, 4.0, 4.5))  # at the other end of the volume

Labels = NDArray[np.uint8]


def metrics(repeats: int = 3) -> None:
    """Dice and ASSD of VS and cochlea in a 512 x 512 x 120 pair, over MedPy's time for the same.

    The masks are ellipsoids of published size; the prediction is moved by two pixels and a slice and has a false
    positive of the VS at the other end of the volume. Both start from label maps in memory; reading is told apart.

    Args:
        repeats: of each, alternating after two warm-up rounds; medians. A round takes MedPy more than a minute.
    """
    truth, prediction = truth_labels(), predicted_labels()
    ratio, difference = speed_over_medpy(prediction, truth, repeats)
    report("Dice + ASSD of both structures, speed over MedPy's", ratio, bar=SPEED_BAR, at_least=True)
    report("Dice + ASSD, largest difference from MedPy", difference, bar=DIFFERENCE_BAR)
    report("the same, with reading both files", seconds_with_reading(prediction, truth, repeats), "s")
    tell(f"n = {repeats} of one pair of {' x '.join(map(str, SHAPE))}, made of ellipsoids, {machine()}")


def speed_over_medpy(prediction: Labels, truth: Labels, repeats: int) -> tuple[float, float]:
    """How many times as fast, and the largest difference of a Dice or an ASSD in mm."""
    # MedPy gets the order in memory in which it is faster.
    works = [
        partial(ours, prediction, truth),
        partial(medpys, np.ascontiguousarray(prediction), np.ascontiguousarray(truth)),
    ]
    difference = float(np.abs(np.subtract(*(work() for work in works))).max())
    seconds = alternate(works, repeats)
    for name, value in zip(("tanq_monai", "MedPy"), seconds, strict=True):
        report(f"{name}, Dice + ASSD of both structures", value, "s")
    return seconds[1] / seconds[0], difference


def ours(prediction: Labels, truth: Labels) -> list[float]:
    """Dice and ASSD of every structure, with the directed definition."""
    case = Truth("", LabelMap(truth, in_scanner(truth.shape, AFFINE)))
    scores = score_labels(prediction, case, ScoredStructures(STRUCTURES), "directed")
    return [number for score in scores for number in (score.dice, score.assd_mm)]


def medpys(prediction: Labels, truth: Labels) -> list[float]:
    """The same from MedPy: the mean of its two directed means."""
    spacing, numbers = voxel_spacing(AFFINE), []
    for value in STRUCTURES.values():
        found, true = prediction == value, truth == value
        directed = [binary.asd(*pair, voxelspacing=spacing) for pair in ((found, true), (true, found))]
        numbers += [binary.dc(found, true), float(np.mean(directed))]
    return numbers


def seconds_with_reading(prediction: Labels, truth: Labels, repeats: int) -> float:
    """Of :func:`~tanq_monai.evaluation.scoring.evaluate_case`; compressed files, the truth float64 as crossMoDA's."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}_Label.nii.gz" for name in ("prediction", "truth")]
        for path, labels in zip(paths, (prediction, truth.astype(np.float64)), strict=True):
            nib.save(nib.Nifti1Image(labels, AFFINE), path)
        return alternate([partial(evaluate_case, *paths)], repeats)[0]


def truth_labels() -> Labels:
    """(X, Y, Z) in the order in which nibabel reads them."""
    labels = np.zeros(SHAPE, dtype=np.uint8, order="F")
    labels[ellipsoid(*VS)] = STRUCTURES["VS"]
    for cochlea in COCHLEAE:
        labels[ellipsoid(*cochlea)] = STRUCTURES["cochlea"]
    return labels


def predicted_labels() -> Labels:
    """The truth moved, with a false positive of the VS."""
    labels = np.asfortranarray(np.roll(truth_labels(), (2, 0, 1), axis=(0, 1, 2)))
    labels[ellipsoid(*FALSE_POSITIVE)] = STRUCTURES["VS"]
    return labels


def ellipsoid(centre: tuple[float, float, float], extent: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Mask (X, Y, Z) of the voxels whose middle lies inside."""
    axes = np.ogrid[tuple(slice(size) for size in SHAPE)]
    places = zip(axes, voxel_spacing(AFFINE), centre, extent, strict=True)
    distance = sum(((axis * edge - middle) / (across / 2)) ** 2 for axis, edge, middle, across in places)
    return np.asarray(distance <= 1)
