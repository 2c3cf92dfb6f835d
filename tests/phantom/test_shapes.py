import numpy as np
import pytest

from tanq_monai.phantom.shapes import cone_distance, draw_waves, ellipsoid, ellipsoid_distance, ring
from tanq_monai.phantom.tissues import Kind


def grid(step: float = 0.25, reach: float = 8.0) -> list[np.ndarray]:
    axis = np.arange(-reach, reach, step, dtype=np.float32) + step / 2
    return np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)


def test_distance_to_a_sphere_is_exact() -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.uniform(-9, 9, (3, 200)).astype(np.float32)
    expected = np.sqrt((x - 1) ** 2 + (y + 2) ** 2 + z**2) - 3
    computed = ellipsoid_distance(x, y, z, (1, -2, 0), (3, 3, 3))
    np.testing.assert_allclose(computed, expected, atol=1e-5)


def test_ellipsoid_has_the_volume_of_an_ellipsoid() -> None:
    layer = ellipsoid(Kind.VS, (0.3, -0.2, 0.1), (5, 3, 2))
    volume = np.count_nonzero(layer.inside(*grid())) * 0.25**3
    assert volume == pytest.approx(4 / 3 * np.pi * 5 * 3 * 2, rel=0.01)


def test_rod_has_the_volume_of_a_cylinder_and_a_ball() -> None:
    inside = cone_distance(*grid(step=0.1), (-3, 0, 0), (3, 0, 0), (2, 2)) < 0
    volume = np.count_nonzero(inside) * 0.1**3
    assert volume == pytest.approx(np.pi * 4 * 6 + 4 / 3 * np.pi * 8, rel=0.01)


def test_closed_ring_has_the_volume_of_a_torus() -> None:
    layers = ring(Kind.PERILYMPH, (0, 0, 0), (0.3, -0.5, 1), 5, 1, (0, 360))
    inside = np.any([layer.inside(*grid()) for layer in layers], axis=0)
    assert np.count_nonzero(inside) * 0.25**3 == pytest.approx(2 * np.pi**2 * 5, rel=0.04)


def test_box_of_a_layer_holds_the_layer() -> None:
    x, y, z = np.broadcast_arrays(*grid())
    for layer in [
        ellipsoid(Kind.VS, (1, 2, 0), (5, 3, 2)),
        *ring(Kind.VS, (0, 1, 0), (1, 1, 0), 4, 1, (0, 180)),
    ]:
        inside = layer.inside(x, y, z)
        for values, low, high in zip((x, y, z), layer.low, layer.high, strict=True):
            assert values[inside].min() >= low
            assert values[inside].max() <= high


def test_waves_have_zero_mean_and_unit_variance() -> None:
    rng = np.random.default_rng(1)
    wave = draw_waves(rng, wavelength=5, number=8)
    values = wave(*rng.uniform(-500, 500, (3, 40000)).astype(np.float32))
    assert values.mean() == pytest.approx(0, abs=0.03)
    assert values.std() == pytest.approx(1, abs=0.03)
