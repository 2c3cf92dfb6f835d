"""Overlap of two masks."""

import numpy as np
import numpy.typing as npt


def dice(prediction: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Dice coefficient ``2 |P and T| / (|P| + |T|)`` of one structure.

    Args:
        prediction: mask of any shape.
        truth: mask of the same shape.

    Returns:
        0 to 1; 0 when only the prediction is empty; nan when the truth is empty, whatever the prediction: the
        crossMoDA challenge does not define it, so it is not applicable rather than perfect or nil.

    Raises:
        ValueError: when the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} must have one shape")
    if not truth.any():
        return float("nan")
    common = np.count_nonzero(prediction & truth)
    return 2.0 * common / (np.count_nonzero(prediction) + np.count_nonzero(truth))
