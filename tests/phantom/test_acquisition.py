import nibabel as nib
import numpy as np
import pytest

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
from tanq_monai.phantom.acquisition import _add_noise, _block_mean


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


def test_block_mean_equals_the_mean_of_each_block() -> None:
    samples = np.random.default_rng(0).uniform(size=(4, 6, 3)).astype(np.float32)
    assert _block_mean(samples, (2, 3, 1))[1, 0, 2] == pytest.approx(samples[2:4, 0:3, 2].mean(), rel=1e-6)


def test_noise_is_rician() -> None:
    sigma, rng = 0.3, np.random.default_rng(0)
    empty = _add_noise(np.zeros((80, 80, 20), np.float32), sigma, rng)
    assert empty.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)  # Rayleigh
    full = _add_noise(np.full((80, 80, 20), 5, np.float32), sigma, rng)
    assert (full.astype(np.float64) ** 2).mean() == pytest.approx(25 + 2 * sigma**2, rel=0.001)
    assert full.std() == pytest.approx(sigma, rel=0.01)


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
    assert ce_t1.dtype == hr_t2.dtype == np.int16
    assert ce_t1.min() >= 0
    assert hr_t2.max() < 32767


def test_middle_of_a_tumor_has_the_signal_of_its_tissues() -> None:
    patient = next(p for p in map(draw_patient, range(50)) if p.tumor and p.tumor.volume > 2000 and not p.tumor.cysts)
    assert patient.tumor is not None
    grid = make_grid((12, 12, 6), (0.5, 0.5, 1), center=patient.tumor.body)
    for protocol in (LONDON_FLASH, LONDON_CISS):
        image, label = ideal_scan(patient, protocol, grid)
        solid, loose = (signal(patient.tissues[kind], protocol) for kind in (Kind.VS, Kind.VS_PALE))
        assert np.all(label == 1)
        assert image.min() >= min(solid, loose) - 1e-5
        assert image.max() <= max(solid, loose) + 1e-5
