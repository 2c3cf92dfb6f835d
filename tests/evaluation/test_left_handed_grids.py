"""Scans whose axes are stored in another handedness: volumes stay positive, scores the same."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.evaluation.scoring import evaluate_case


@pytest.mark.parametrize("signs", [(-1, -1, 1), (1, -1, 1), (-1, 1, 1), (-1, -1, -1)])
def test_volumes_and_scores_do_not_depend_on_the_handedness_of_the_grid(
    tmp_path: Path, signs: tuple[int, int, int]
) -> None:
    affine = np.diag([0.5 * signs[0], 0.4 * signs[1], 1.5 * signs[2], 1.0])
    labels = np.zeros((10, 9, 6), np.uint8)
    labels[2:6, 3:6, 1:4] = 1
    for name, moved in (("truth", 0), ("prediction", 1)):
        nib.save(nib.Nifti1Image(np.roll(labels, moved, axis=0), affine), tmp_path / f"{name}.nii.gz")
    vs, _ = evaluate_case(tmp_path / "prediction.nii.gz", tmp_path / "truth.nii.gz")
    assert vs.truth_mm3 == pytest.approx(36 * 0.3)
    assert vs.prediction_mm3 == pytest.approx(36 * 0.3)
    assert vs.dice == pytest.approx(0.75)
