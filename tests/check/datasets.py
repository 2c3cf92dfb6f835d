"""Small data sets, good and bad, for the check."""

from pathlib import Path

import numpy as np
from files import LPS, SHAPE, structures, write_nifti


def image(seed: int) -> np.ndarray:
    """No two are alike."""
    return np.random.default_rng(seed).uniform(1, 100, SHAPE).astype(np.float32)


def write_dataset(root: Path, count: int = 2) -> Path:
    """A good one, laid out as crossMoDA 2022."""
    for number in range(count):
        case = f"crossmoda2021_ldn_{number + 1}"
        write_nifti(root / "training_source" / f"{case}_ceT1.nii.gz", image(number))
        write_nifti(root / "training_source" / f"{case}_Label.nii.gz", structures())
        write_nifti(root / "training_target" / f"crossmoda2021_ldn_{106 + number}_hrT2.nii.gz", image(1000 + number))
        write_nifti(root / "validation" / f"crossmoda2021_ldn_{211 + number}_hrT2.nii.gz", image(2000 + number))
    return root


def tilted(degrees: float, affine: np.ndarray = LPS) -> np.ndarray:
    """An affine turned about the left-right axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]]) @ affine


def sheared(degrees: float) -> np.ndarray:
    """An affine whose k leans by this angle from the right angle to j."""
    affine = LPS.copy()
    affine[:3, 2] = 1.5 * np.array([0, np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    return affine
