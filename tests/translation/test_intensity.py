import numpy as np
import pytest
import torch

from tanq_monai.translation.intensity import from_unit_range, scale_to_unit_range
from tanq_monai.translation.magnitude import to_magnitude


def _image(seed=0, shape=(4, 10, 10)):
    """A magnitude image, half of it air."""
    return np.random.default_rng(seed).normal(0, 300, shape).astype(np.float32)


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.5, 100.0])
def test_scaling_equals_its_definition(percentile):
    image = _image()
    positive = np.sort(image[image > 0].astype(np.float64))
    top = positive[max(1, round(len(positive) * percentile / 100)) - 1]
    expected = 2 * np.clip(image / top, 0, 1) - 1
    np.testing.assert_allclose(scale_to_unit_range(image, percentile), expected, atol=1e-6)


def test_the_percentile_is_numpys():
    image = np.arange(-50.0, 201.0)
    top = np.percentile(np.arange(1, 201), 99.5, method="inverted_cdf")
    assert top == 199
    scaled = scale_to_unit_range(image)
    assert scaled[image == 199] == scaled[image == 200] == 1
    assert scaled[image == 198] == pytest.approx(2 * 198 / 199 - 1)


@pytest.mark.parametrize("gain", [1e-4, 7.0, 1e5])
def test_the_unit_of_the_scanner_does_not_matter(gain):
    np.testing.assert_allclose(scale_to_unit_range(_image() * gain), scale_to_unit_range(_image()), rtol=0, atol=1e-5)


def test_air_does_not_change_the_scale():
    image = _image().clip(min=1)
    padded = np.pad(image, ((0, 0), (20, 20), (20, 20)))
    np.testing.assert_array_equal(scale_to_unit_range(padded)[..., 20:-20, 20:-20], scale_to_unit_range(image))


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64])
def test_an_image_without_signal_is_minus_one(dtype):
    scaled = scale_to_unit_range(np.zeros((2, 3, 3), dtype=dtype))
    assert scaled.dtype == np.float32
    assert (scaled == -1).all()


def test_one_bright_pixel_is_enough():
    assert scale_to_unit_range(np.array([0.0, -3.0, 5.0])).tolist() == [-1, -1, 1]


def test_integers_become_float32():
    scaled = scale_to_unit_range(np.array([0, 50, 100], dtype=np.int16), percentile=100)
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [-1, 0, 1]


def test_magnitude_is_from_zero_to_one_for_arrays_and_tensors():
    values, expected = [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0], [0, 0, 0.5, 0.75, 1, 1]
    assert from_unit_range(np.array(values)).tolist() == expected
    assert to_magnitude(torch.tensor(values)).tolist() == expected


def test_magnitude_undoes_the_scaling():
    image = _image().clip(min=0)
    np.testing.assert_allclose(from_unit_range(scale_to_unit_range(image, 100)), image / image.max(), atol=1e-6)


def test_half_precision_becomes_float32():
    assert to_magnitude(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.float32
    assert from_unit_range(np.zeros(2, dtype=np.float16)).dtype == np.float32
