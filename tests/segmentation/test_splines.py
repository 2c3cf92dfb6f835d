"""Splines and windows of NumPy alone beside SciPy's, which nnU-Net goes by."""

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.segmentation.inference.windows import gaussian_weight
from tanq_monai.segmentation.plan.splines import spline_weights, two_taps

SIZES = [(5, 9), (9, 5), (1, 1), (1, 4), (3, 2), (2, 1), (17, 40), (120, 77), (12, 12), (7, 1)]


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize(("size", "new_size"), SIZES)
def test_the_weights_of_a_spline_are_those_of_scipys_zoom(order, size, new_size):
    units = np.eye(size)
    zoomed = [ndimage.zoom(u, new_size / size, order=order, mode="nearest", grid_mode=True) for u in units]
    np.testing.assert_allclose(spline_weights(size, new_size, order), np.stack(zoomed, axis=1), atol=1e-10)


@pytest.mark.parametrize(("size", "new_size"), SIZES)
def test_a_linear_spline_is_its_two_taps(size, new_size):
    below, above, weight = two_taps(size, new_size)
    units = np.eye(size)
    taps = units[below] + (units[above] - units[below]) * weight[:, None]
    np.testing.assert_allclose(spline_weights(size, new_size, 1), taps, atol=1e-6)


@pytest.mark.parametrize("window", [(160, 160), (33, 64), (16, 32, 20), (5, 7)])
def test_the_weight_of_a_window_is_scipys_gaussian_of_its_middle_in_steps_of_float16(window):
    peak = np.zeros(window)
    peak[tuple(n // 2 for n in window)] = 1
    expected = ndimage.gaussian_filter(peak, [n / 8 for n in window], mode="constant")
    expected = (expected / expected.max() * 10).astype(np.float16).astype(np.float32)
    weight = gaussian_weight(window)
    assert weight.min() > 0
    np.testing.assert_allclose(weight, np.maximum(expected, expected[expected > 0].min()), rtol=1e-3)
