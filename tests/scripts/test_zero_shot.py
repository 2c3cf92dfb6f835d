"""The volume of a VS that is painted where none can be."""

import numpy as np
import pytest
from zero_shot import FAR, far_volume


def test_only_what_is_farther_than_15_mm_from_all_that_is_labelled_counts():
    truth = np.zeros((60, 9, 9), np.uint8)
    truth[10, 4, 4] = 2
    vs = np.zeros(truth.shape, bool)
    vs[10:, 4, 4] = True
    affine = np.diag([0.5, 1.0, 2.0, 1.0])
    beyond = sum(0.5 * step > FAR for step in range(50))
    assert beyond == 19
    assert far_volume(vs, truth, affine) == pytest.approx(beyond * 0.5 * 1 * 2 / 1000)


def test_without_any_structure_all_of_it_counts():
    vs = np.ones((2, 3, 4), bool)
    assert far_volume(vs, np.zeros(vs.shape, np.uint8), np.eye(4)) == pytest.approx(0.024)
