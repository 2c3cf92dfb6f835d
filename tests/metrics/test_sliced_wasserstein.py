import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance

from tanq_monai.metrics.sliced_wasserstein import laplacian_pyramid, patch_distance, sliced_wasserstein


def _images(seed, count=6, size=40):
    return np.random.default_rng(seed).random((count, size, size))


def test_in_one_dimension_it_is_the_wasserstein_distance():
    rng = np.random.default_rng(0)
    points, others = rng.normal(size=(50, 1)), rng.gamma(2.0, size=(50, 1))
    assert sliced_wasserstein(points, others) == pytest.approx(wasserstein_distance(points[:, 0], others[:, 0]))


def test_it_is_the_mean_over_directions_of_the_distance_in_one_dimension():
    rng = np.random.default_rng(1)
    points, others = rng.normal(size=(30, 5)), 2 * rng.normal(size=(30, 5)) + 1
    directions = np.random.default_rng(7).standard_normal((5, 20))
    expected = [
        wasserstein_distance(points @ d / np.linalg.norm(d), others @ d / np.linalg.norm(d)) for d in directions.T
    ]
    assert sliced_wasserstein(points, others, projections=20, seed=7) == pytest.approx(np.mean(expected))


def test_a_shift_moves_it_by_its_mean_projection():
    points = np.random.default_rng(2).normal(size=(40, 3))
    # |u_z| of a uniform direction in three dimensions has the mean 1/2.
    assert sliced_wasserstein(points, points + np.array([0, 0, 2.0]), 20_000) == pytest.approx(1.0, rel=0.02)


def test_clouds_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        sliced_wasserstein(np.zeros((3, 2)), np.zeros((4, 2)))


def test_bands_of_the_pyramid_add_up_to_the_image():
    images = _images(0, count=2, size=41)
    bands = laplacian_pyramid(images, levels=3)
    assert [band.shape for band in bands] == [(2, 41, 41), (2, 21, 21), (2, 11, 11)]
    kernel = np.array([1, 4, 6, 4, 1]) / 8
    current = bands[-1]
    for band in bands[-2::-1]:
        spread = np.zeros(band.shape)
        spread[:, ::2, ::2] = current
        for axis in (1, 2):
            padded = np.pad(spread, [(2, 2) if a == axis else (0, 0) for a in range(3)], mode="reflect")
            spread = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
        current = band + spread
    np.testing.assert_allclose(current, images, atol=1e-12)


def test_a_constant_image_has_no_fine_bands():
    fine, middle, coarse = laplacian_pyramid(np.full((1, 32, 32), 0.7), levels=3)
    assert np.abs(fine).max() < 1e-12
    assert np.abs(middle).max() < 1e-12
    np.testing.assert_allclose(coarse, 0.7)


def test_a_set_has_no_distance_to_itself_and_a_small_one_to_its_like():
    images = _images(0)
    assert patch_distance(images, images) == 0
    like, blurred = patch_distance(_images(1), images), patch_distance(gaussian_filter(images, (0, 1, 1)), images)
    assert 0 < like < blurred / 2


def test_brightness_and_contrast_count():
    images = _images(0)
    assert patch_distance(images + 0.2, images) > 5 * patch_distance(_images(1), images)
    assert patch_distance(0.5 * images, images) > 5 * patch_distance(_images(1), images)


def test_it_is_in_units_of_the_references_deviation():
    images, others = _images(0), _images(1) ** 2
    assert patch_distance(10 * images, 10 * others) == pytest.approx(patch_distance(images, others))
    assert patch_distance(2 * images, images) == pytest.approx(2 * patch_distance(images, 2 * images))


def test_the_seed_alone_decides():
    images, others = _images(0), _images(1) ** 2
    np.random.random(3)  # noqa: NPY002 - the global state, which must not matter
    again = [patch_distance(images, others, seed=seed) for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


def test_it_is_the_mean_over_the_levels():
    images, others = _images(0), gaussian_filter(_images(1), (0, 1, 1))
    single = patch_distance(images, others, levels=1)
    assert patch_distance(images, others, levels=2) != pytest.approx(single)
    with pytest.raises(ValueError, match="4 levels are too many"):
        patch_distance(images, others, levels=4)
    with pytest.raises(ValueError, match="one shape"):
        patch_distance(images, others[:2])
