import itertools

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tanq_monai.metrics.translation import (
    border_auc,
    contrast_ratio,
    distance_to_range,
    head_mask,
    psnr,
    ratio_to_reference,
    ssim,
    surroundings,
)

VS, COCHLEA = 1, 2


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def _labels():
    """A VS of 12 x 10 and a cochlea of 4 x 4 pixels in a slice of 40 x 48."""
    labels = np.zeros((40, 48), dtype=np.uint8)
    labels[10:22, 8:18] = VS
    labels[24:28, 30:34] = COCHLEA
    return labels


def _scene(noise=0.02):
    """A slice with a dark VS between fluid and bone, and a bright cochlea."""
    labels, image = _labels(), np.full((40, 48), 0.35)
    image[:, :13] = 0.9
    image[labels == VS] = 0.6
    image[labels == COCHLEA] = 0.8
    return (image + noise * _noise(40, 48)).astype(np.float32), labels


def test_head_is_filled_and_what_lies_apart_is_not_in_it():
    image = np.zeros((2, 30, 30))
    image[0, 5:25, 4:20] = 1.0
    image[0, 10:14, 8:12] = 0.0  # bone
    image[0, 2, 28] = 1.0  # noise
    expected = np.zeros((2, 30, 30), dtype=bool)
    expected[0, 5:25, 4:20] = True
    assert np.array_equal(head_mask(image), expected)
    assert np.array_equal(head_mask(image[0]), expected[0])


def test_contrast_is_the_mean_inside_over_the_median_of_the_reference_without_structures():
    image, labels = _noise(40, 48), _labels()
    reference = image > 0.3
    expected = image[labels == VS].mean() / np.median(
        [v for v, r in zip(image.flat, (reference & (labels == 0)).flat, strict=True) if r]
    )
    assert contrast_ratio(image, labels, VS, reference) == pytest.approx(expected, rel=1e-6)
    assert contrast_ratio(7 * image, labels, VS, reference) == pytest.approx(expected, rel=1e-5)


def test_contrast_of_what_is_not_there_is_nan():
    image, labels = _noise(40, 48), _labels()
    everything, nothing = np.ones(labels.shape, dtype=bool), np.zeros(labels.shape, dtype=bool)
    assert np.isnan(contrast_ratio(image, labels, 3, everything))
    assert np.isnan(contrast_ratio(image, labels, VS, nothing))
    assert np.isnan(ratio_to_reference(0 * image, labels == VS, everything))


def test_surroundings_lie_within_the_width_in_plane_and_outside_of_all_structures():
    labels = np.stack([_labels(), 0 * _labels()])
    labels[0, 22, 10] = COCHLEA
    ring = surroundings(labels, VS, width=3)
    inside = np.argwhere(labels[0] == VS)
    expected = [
        [np.abs(inside - (row, column)).sum(axis=1).min() <= 3 and labels[0, row, column] == 0 for column in range(48)]
        for row in range(40)
    ]
    assert np.array_equal(ring[0], expected)
    assert not ring[1].any()


def test_border_auc_is_the_chance_that_a_border_pixel_has_the_steeper_gradient():
    from scipy.ndimage import gaussian_gradient_magnitude

    image, labels = _scene(noise=0.5)
    labels[23:26, 10:14] = COCHLEA  # its border is not the VS's, nor is it away from borders
    gradient, padded = gaussian_gradient_magnitude(image.astype(float), 0.7), np.pad(labels, 1, mode="edge")
    near = [np.roll(padded, shift, axis=axis)[1:-1, 1:-1] for shift in (1, -1) for axis in (0, 1)]
    border = np.any([other != labels for other in near], axis=0)
    own = border & np.any([(other == VS) for other in (labels, *near)], axis=0)
    inside = np.argwhere(labels == VS)
    distance = np.array([[np.abs(inside - (r, c)).sum(axis=1).min() for c in range(48)] for r in range(40)])
    positive, negative = gradient[own], gradient[(distance <= 4 + 1) & ~border]
    expected = np.mean([(p > n) + 0.5 * (p == n) for p in positive for n in negative])
    assert border_auc(image, labels, VS) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("structure", [VS, COCHLEA])
def test_border_auc_falls_with_every_pixel_that_the_structure_is_moved(structure):
    image, labels = _scene()
    scores = [
        np.mean([border_auc(np.roll(image, s, axis=(0, 1)), labels, structure) for s in (k, -k)]) for k in range(4)
    ]
    assert scores[0] > 0.9
    assert all(nearer > farther + 0.02 for nearer, farther in itertools.pairwise(scores))


def test_border_auc_is_chance_without_any_edge_and_near_it_in_noise():
    labels = _labels()
    assert border_auc(np.full(labels.shape, 0.4), labels, VS) == 0.5
    scores = [border_auc(_noise(40, 48, seed=seed), labels, VS) for seed in range(20)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.03)


def test_border_auc_does_not_care_which_side_is_brighter_nor_how_bright():
    image, labels = _scene()
    expected = border_auc(image, labels, VS)
    assert border_auc(1 - image, labels, VS) == pytest.approx(expected, abs=1e-3)
    assert border_auc(0.2 + 0.1 * image, labels, VS) == pytest.approx(expected, abs=1e-3)


def test_border_auc_of_a_volume_is_the_mean_of_the_slices_that_show_enough_of_the_structure():
    (image, labels), few = _scene(), 0 * _labels()
    few[3:5, 3:5] = VS
    other = _noise(40, 48)
    expected = (border_auc(image, labels, VS) + border_auc(other, labels, VS)) / 2
    volume, label_volume = np.stack([image, image, other]), np.stack([labels, few, labels])
    assert border_auc(volume, label_volume, VS) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(border_auc(image, few, VS))


@pytest.mark.parametrize(("level", "distance"), [(0.2, 0.1), (0.3, 0.0), (0.5, 0.0), (1.0, 0.4)])
def test_distance_to_a_range_is_0_inside(level, distance):
    assert distance_to_range(level, 0.3, 0.6) == pytest.approx(distance)


def test_ssim_and_psnr_equal_those_of_scikit_image():
    image, reference = _noise(3, 30, 41), _noise(3, 30, 41, seed=1)
    reference = 0.5 * reference + 0.5 * image
    mask = _noise(3, 30, 41, seed=2) > 0.5
    maps = [
        structural_similarity(
            *pair, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )[1]
        for pair in zip(image.astype(float), reference.astype(float), strict=True)
    ]
    assert ssim(image, reference) == pytest.approx(np.mean(maps), abs=1e-5)
    assert ssim(image, reference, mask) == pytest.approx(np.stack(maps)[mask].mean(), abs=1e-5)
    assert ssim(image[0], reference[0]) == pytest.approx(maps[0].mean(), abs=1e-5)
    expected = peak_signal_noise_ratio(reference[mask], image[mask], data_range=1)
    assert psnr(image, reference, mask) == pytest.approx(expected, abs=1e-4)


def test_an_image_equals_itself_and_nothing_is_said_of_an_empty_mask():
    image, nothing = _noise(20, 20), np.zeros((20, 20), dtype=bool)
    assert ssim(image, image) == pytest.approx(1.0, abs=1e-6)
    assert psnr(image, image) == np.inf
    assert np.isnan(ssim(image, image, nothing))
    assert np.isnan(psnr(image, image, nothing))
