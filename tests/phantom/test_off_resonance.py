import numpy as np
import pytest

from tanq_monai.phantom.scanner.off_resonance import AirSphere, OffResonance, draw_off_resonance

QUIET = OffResonance(offset=0.0, gradient=(0, 0, 0), curvature=(0, 0, 0, 0, 0), cavities=())
EARS = np.array([(35.0, 0, 0), (-35, 0, 0), (42, -4, 3), (-42, -4, 3)])  # cochleae, canals
AIR = np.array([(-5.0, 35, -1, 9), (52, -16, -3, 11), (-52, -16, -3, 11), (46, 4, -2, 4.5), (-46, 4, -2, 4.5)])


def brain() -> np.ndarray:
    """Points of the brain in a slab of hrT2, not in the air."""
    points = np.random.default_rng(0).uniform(-1, 1, (20000, 3))
    points = points[(points**2).sum(1) < 1] * (64, 83, 72) + (0, 4, 30)
    outside = [np.linalg.norm(points - cavity[:3], axis=1) > cavity[3] + 2 for cavity in AIR]
    return points[np.all(outside, axis=0) & (points[:, 2] > -12) & (points[:, 2] < 50)]


def test_a_cavity_is_a_dipole_outside() -> None:
    cavity = AirSphere(center=(10, 20, 30), radius=5, pole=80)
    at = np.array([(10.0, 20, 35), (10, 20, 25), (15, 20, 30), (10, 26, 30), (10, 20, 40), (10, 10, 30)])
    # at the poles, at the equator and 1.2 radii from the center there, and at twice the radius
    expected = (80, 80, -40, -40 / 1.2**3, 10, -5)
    np.testing.assert_allclose(cavity.field(*at.T), expected, rtol=1e-12)
    magic = np.array([np.sqrt(2), 0, 1]) * 9 + (10, 20, 30)  # 54.7 degrees from the field
    assert cavity.field(*magic) == pytest.approx(0, abs=1e-9)


def test_a_cavity_is_continuous_and_bounded_inside() -> None:
    cavity = AirSphere(center=(0, 0, 0), radius=5, pole=80)
    directions = np.random.default_rng(0).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    inner, outer = (cavity.field(*(r * directions.T)) for r in (5 - 1e-9, 5 + 1e-9))
    np.testing.assert_allclose(inner, outer, atol=1e-6)
    inside = cavity.field(*(np.linspace(0, 5, 500) * directions.T))
    assert np.isfinite(inside).all()
    assert -40 <= inside.min() < inside.max() <= 80
    assert cavity.field(np.zeros(1), np.zeros(1), np.zeros(1)) == 0


def test_the_field_obeys_laplace_outside_the_air() -> None:
    field, points = draw_off_resonance(np.random.default_rng(3)), brain()[:300]
    step = 0.05
    curvature = -6 * field.field(*points.T)
    for shift in np.eye(3) * step:
        curvature += field.field(*(points + shift).T) + field.field(*(points - shift).T)
    np.testing.assert_allclose(curvature / step**2, 0, atol=1e-3)


def test_each_term_of_the_shim_equals_its_polynomial() -> None:
    x, y, z = np.random.default_rng(1).uniform(-50, 50, (3, 40))
    terms = {
        OffResonance(7, (0, 0, 0), (0, 0, 0, 0, 0), ()): 7 + 0 * x,
        OffResonance(0, (0.1, 0.2, -0.3), (0, 0, 0, 0, 0), ()): 0.1 * x + 0.2 * y - 0.3 * z,
        OffResonance(0, (0, 0, 0), (2, 3, 4, 0, 0), ()): 2 * x * y + 3 * y * z + 4 * x * z,
        OffResonance(0, (0, 0, 0), (0, 0, 0, 5, 0), ()): 5 * (x**2 - y**2),
        OffResonance(0, (0, 0, 0), (0, 0, 0, 0, 6), ()): 6 * (z**2 - (x**2 + y**2) / 2),
    }
    for field, expected in terms.items():
        np.testing.assert_allclose(field.field(x, y, z), expected, atol=1e-9)
    np.testing.assert_array_equal(QUIET.field(x, y, z), 0)


def test_open_axes_give_the_values_of_single_points() -> None:
    field = draw_off_resonance(np.random.default_rng(0))
    axes = np.meshgrid([-40.0, 3.0], [10.0, 20.0, 30.0], [-5.0, 0.0, 5.0, 9.0], indexing="ij", sparse=True)
    values = field.field(*axes)
    assert values.shape == (2, 3, 4)
    assert values.dtype == np.float64
    single = field.field(np.array(3.0), np.array(20.0), np.array(9.0))
    assert values[1, 1, 3] == pytest.approx(float(single), rel=1e-12)
    coarse = field.field(*(axis.astype(np.float32) for axis in axes))
    assert coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, values, atol=1e-3)


def test_the_same_generator_gives_the_same_field_and_another_one_another() -> None:
    first, again, other = (draw_off_resonance(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_air_shifts_the_resonance_by_a_share_of_the_400_hz_of_a_full_sphere() -> None:
    poles = [c.pole for seed in range(100) for c in draw_off_resonance(np.random.default_rng(seed)).cavities]
    assert 60 <= min(poles) < 62  # 15 % of 2/3 9.4 ppm 63.87 MHz
    assert 98 < max(poles) <= 100.1


def test_the_brain_lies_within_30_hz_and_the_rim_of_the_air_up_to_100_hz() -> None:
    points, shares, rims = brain(), [], []
    for seed in range(100):
        field = draw_off_resonance(np.random.default_rng(seed))
        shares.append(np.mean(np.abs(field.field(*points.T)) < 30))
        rims.append(field.field(*(AIR[:3, :3] + (0, 0, 1) * AIR[:3, 3:]).T))  # above sinus and mastoids
    assert np.mean(shares) > 0.98
    assert np.mean(rims) == pytest.approx(60, abs=10)
    assert 80 < np.max(rims) < 120


def test_bands_of_ciss_seldom_cross_the_inner_ear() -> None:
    # The darkest place of CISS lies at 25 Hz: a quarter of 1 / 9.95 ms.
    shifts = np.array([draw_off_resonance(np.random.default_rng(seed)).field(*EARS.T) for seed in range(300)])
    assert np.mean(np.abs(shifts) > 25) < 0.05
    assert np.abs(shifts).mean() < 12
