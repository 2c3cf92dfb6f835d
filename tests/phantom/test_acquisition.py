import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import (
    LONDON_CISS,
    LONDON_FLASH,
    Kind,
    draw_patient,
    ideal_scan,
    make_grid,
    render,
    signal,
)
from tanq_monai.phantom.painting.kernel import expose_slice
from tanq_monai.phantom.scanner.acquisition import _draw_noise, _spread


def test_grid_is_lps_and_centered() -> None:
    grid = make_grid((10, 20, 30), (0.5, 0.6, 1.5), center=(1, 2, 3))
    np.testing.assert_allclose(np.diag(grid.affine)[:3], (-0.5, -0.6, 1.5))
    np.testing.assert_allclose(grid.affine @ (4.5, 9.5, 14.5, 1), (1, 2, 3, 1))


def test_turned_grid_keeps_spacing_orientation_and_handedness() -> None:
    grid = make_grid((10, 20, 30), (0.5, 0.6, 1.5), angles=(4, -3, 2))
    np.testing.assert_allclose(np.linalg.norm(grid.affine[:3, :3], axis=0), (0.5, 0.6, 1.5))
    assert nib.aff2axcodes(grid.affine) == ("L", "P", "S")
    assert np.linalg.det(grid.affine[:3, :3]) == pytest.approx(0.45)
    assert abs(grid.affine[0, 1]) > 0.01


def test_turning_about_z_by_a_right_angle_takes_x_to_y() -> None:
    turned = make_grid((3, 3, 3), (1, 1, 1), angles=(0, 0, 90)).affine[:3, :3]
    np.testing.assert_allclose(turned @ (-1, 0, 0), (0, 1, 0), atol=1e-12)


def exposed(signal_value: float, sigma: float, interpolation: float = 1.0) -> np.ndarray:
    """A slice of one signal, with noise, times 1000 and rounded."""
    grid = make_grid((200, 200, 1), (1, 1, 1), interpolation=interpolation)
    stored, shading = np.zeros(grid.shape, np.int16), np.ones((41, 41, 2))
    noise = _draw_noise(np.random.default_rng(0), grid)
    image = np.full(grid.shape, signal_value, np.float32)
    expose_slice(0, image, shading, np.array((5, 5, 1)), noise, sigma, 1000.0, stored)
    return stored[..., 0] / 1000


@pytest.mark.parametrize("interpolation", [1.0, 2.0])
def test_noise_is_rician(interpolation: float) -> None:
    sigma = 0.3
    empty = exposed(0.0, sigma, interpolation)
    assert empty.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh
    full = exposed(5.0, sigma, interpolation)
    assert (full**2).mean() == pytest.approx(25 + 2 * sigma**2, rel=0.005)
    assert full.std() == pytest.approx(sigma, rel=0.02)


def test_interpolated_pixels_share_their_noise_and_others_do_not() -> None:
    for interpolation, expected in ((1.0, 0.0), (2.0, np.exp(-1 / (4 * 0.84**2)))):
        noise = exposed(5.0, 0.3, interpolation) - 5
        neighbours = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
        assert neighbours == pytest.approx(expected, abs=0.03)


def test_point_spread_keeps_the_mean_and_is_wider_for_interpolated_pixels() -> None:
    point = np.zeros((21, 21, 9), np.float32)
    point[10, 10, 4] = 1
    x = np.arange(21) - 10
    for interpolation in (1.0, 2.0):
        spread = _spread(point.copy(), interpolation)
        assert spread.sum() == pytest.approx(1, rel=1e-5)
        width = np.sqrt((spread.sum(axis=(1, 2)) * x**2).sum())
        assert width == pytest.approx(0.42 * interpolation, abs=0.12)


def test_shading_multiplies_the_signal_and_not_the_noise() -> None:
    stored = np.zeros((2, 2, 1), np.uint16)
    shading = np.full((2, 2, 2), 1.25)
    noise = np.zeros((2, 2, 2), np.float32)
    noise[0, 0, 0] = 1
    expose_slice(0, np.full((2, 2, 1), 2, np.float32), shading, np.array((2, 2, 1)), noise, 0.1, 100.0, stored)
    np.testing.assert_array_equal(stored[..., 0], [[260, 250], [250, 250]])


def test_structures_stay_at_their_place_when_the_scan_is_turned() -> None:
    centers = []
    for angles in ((0, 0, 0), (4, -3, 4)):
        grid = make_grid((120, 60, 40), (0.8, 0.8, 1), angles=angles, center=(0, -6, 2))
        _, label = ideal_scan(draw_patient(3), LONDON_CISS, grid)
        right = np.moveaxis(np.indices(label.shape), 0, -1) @ grid.affine[0, :3] + grid.affine[0, 3]
        centers.append(
            [
                nib.affines.apply_affine(grid.affine, np.argwhere(part)).mean(0)
                for part in (label == 1, (label == 2) & (right > 0), (label == 2) & (right < 0))
            ]
        )
    np.testing.assert_allclose(centers[0], centers[1], atol=0.25)


def test_one_patient_has_one_label_map_in_both_contrasts() -> None:
    grid = make_grid((80, 80, 16), (1.4, 1.4, 2), center=(0, -3, 2))
    patient, rng = draw_patient(1), np.random.default_rng(0)
    ce_t1, label = render(patient, LONDON_FLASH, grid, rng)
    hr_t2, again = render(patient, LONDON_CISS, grid, rng)
    np.testing.assert_array_equal(label, again)
    assert {ce_t1.dtype, hr_t2.dtype} <= {np.dtype(np.int16), np.dtype(np.uint16)}
    assert ce_t1.min() >= 0
    assert hr_t2.max() < 32767


def test_middle_of_a_tumor_has_the_signal_of_its_tissues() -> None:
    patient = next(p for p in map(draw_patient, range(50)) if p.tumor and p.tumor.volume > 2000 and not p.tumor.cysts)
    assert patient.tumor is not None
    grid = make_grid((12, 12, 6), (0.5, 0.5, 1), center=patient.tumor.shape.lobes[0][0])
    for protocol in (LONDON_FLASH, LONDON_CISS):
        image, label = ideal_scan(patient, protocol, grid)
        solid, loose = (signal(patient.tissues[kind], protocol) for kind in (Kind.VS, Kind.VS_PALE))
        within = image[ndimage.binary_erosion(label == 1, iterations=2, border_value=1)]
        assert len(within) > 50
        expected = (within >= min(solid, loose) - 1e-5) & (within <= max(solid, loose) + 1e-5)
        assert expected.mean() > 0.95  # bone at the porus is left where it is
