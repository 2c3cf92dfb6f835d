import numpy as np
import pytest

from tanq_monai.phantom.painting.paint import tissue_at
from tanq_monai.phantom.painting.scene import make_scene
from tanq_monai.phantom.painting.shapes import (
    Condition,
    Field,
    Layer,
    draw_waves,
    ellipsoid,
    half_space,
    near_shells,
    outside,
    ring,
    rod,
    slab,
    solid,
    tube,
    waves_between,
)
from tanq_monai.phantom.tissues import Kind


def grid(step: float = 0.25, reach: float = 8.0) -> np.ndarray:
    axis = np.arange(-reach, reach, step) + step / 2
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def inside(points: np.ndarray, *conditions: Condition) -> np.ndarray:
    return tissue_at(make_scene([Layer(Kind.VS, conditions)]), points) == Kind.VS


def random_points(number: int = 4000, reach: float = 9.0) -> np.ndarray:
    return np.random.default_rng(0).uniform(-reach, reach, (number, 3))


def test_sphere_is_where_the_distance_to_its_center_is_below_the_radius() -> None:
    points = random_points()
    distance = np.linalg.norm(points - (1, -2, 0), axis=1)
    np.testing.assert_array_equal(inside(points, ellipsoid((1, -2, 0), (3, 3, 3))), distance < 3)
    np.testing.assert_array_equal(inside(points, ellipsoid((1, -2, 0), (3, 3, 3), below=1.5)), distance < 4.5)
    np.testing.assert_array_equal(inside(points, ellipsoid((1, -2, 0), (3, 3, 3), below=-1.5)), distance < 1.5)


def test_ellipsoid_has_the_volume_of_an_ellipsoid() -> None:
    volume = np.count_nonzero(inside(grid(), ellipsoid((0.3, -0.2, 0.1), (5, 3, 2)))) * 0.25**3
    assert volume == pytest.approx(4 / 3 * np.pi * 5 * 3 * 2, rel=0.01)


def test_rod_has_the_volume_of_a_frustum_and_the_balls_at_its_ends() -> None:
    straight = np.count_nonzero(inside(grid(0.2), rod((-3, 0, 0), (3, 0, 0), (2, 2)))) * 0.2**3
    assert straight == pytest.approx(np.pi * 4 * 6 + 4 / 3 * np.pi * 8, rel=0.01)
    tapered = np.count_nonzero(inside(grid(0.2), rod((0, -4, 0), (0, 4, 0), (1, 3)))) * 0.2**3
    assert tapered == pytest.approx(np.pi * 8 / 3 * (1 + 3 + 9) + 2 / 3 * np.pi * (1 + 27), rel=0.02)


def test_half_space_and_slab_are_bounded_by_planes() -> None:
    points = random_points()
    height = points @ (1, 2, -2)
    np.testing.assert_array_equal(inside(points, half_space((1, 2, -2), 3)), height < 3)
    np.testing.assert_array_equal(inside(points, slab((1, 2, -2), 3, 1.5)), np.abs(height - 3) < 1.5)


def test_shells_recur_at_their_distance() -> None:
    points = random_points()
    waves = draw_waves(np.random.default_rng(0), 5)
    condition = near_shells((1, 0, 0), flattening=0.5, distance=2.0, half=0.3, waves=waves, height=0.0)
    radius = np.linalg.norm((points - (1, 0, 0)) * (0.5, 1, 1), axis=1)
    expected = np.abs((radius + 1) % 2 - 1) < 0.3
    np.testing.assert_array_equal(inside(points, condition), expected)


def test_outside_is_the_complement() -> None:
    points, waves = random_points(), draw_waves(np.random.default_rng(3), 6)
    for condition in (
        ellipsoid((0, 1, 0), (4, 3, 5), waves=waves, height=0.5),
        rod((0, 0, 0), (3, 3, 3), (2, 1), below=0.5),
        Condition(Field.TENTORIUM, (1.0,)),
    ):
        np.testing.assert_array_equal(inside(points, outside(condition)), ~inside(points, condition))


def test_roughness_moves_the_surface_by_the_height_of_the_waves() -> None:
    points, waves = random_points(), draw_waves(np.random.default_rng(1), 6)
    level = np.linalg.norm(points, axis=1) - 5 + 0.7 * waves(*points.T)
    rough = inside(points, ellipsoid((0, 0, 0), (5, 5, 5), waves=waves, height=0.7))
    clear = np.abs(level) > 1e-4  # sines are exact to 4e-6
    np.testing.assert_array_equal(rough[clear], (level < 0)[clear])


def test_waves_between_two_values_are_those_of_the_sum_of_sines() -> None:
    points, waves = random_points(), draw_waves(np.random.default_rng(2), 6, number=9)
    values = sum(
        np.sin(2 * np.pi * (points @ vector + phase)) for vector, phase in zip(waves.vectors, waves.phases, strict=True)
    ) * np.sqrt(2 / 9)
    expected = (values > -0.3) & (values < 0.4)
    clear = np.minimum(np.abs(values + 0.3), np.abs(values - 0.4)) > 1e-4
    np.testing.assert_array_equal(inside(points, waves_between(waves, -0.3, 0.4))[clear], expected[clear])


def test_closed_ring_has_the_volume_of_a_torus() -> None:
    layers = ring(Kind.PERILYMPH, (0, 0, 0), (0.3, -0.5, 1), 5, 1)
    volume = np.count_nonzero(tissue_at(make_scene(layers), grid())) * 0.25**3
    assert volume == pytest.approx(2 * np.pi**2 * 5, rel=0.04)


def test_box_of_a_layer_holds_the_layer() -> None:
    points, waves = grid(0.5, 12), draw_waves(np.random.default_rng(0), 4)
    for layer in [
        solid(Kind.VS, (1, 2, 0), (5, 3, 2)),
        Layer(Kind.VS, (ellipsoid((1, 2, 0), (5, 3, 2), below=2, waves=waves, height=0.4),)),
        Layer(Kind.VS, (rod((0, 0, 0), (3, -4, 5), (1, 2), below=0.5), half_space((1, 0, 0), 2))),
        *ring(Kind.VS, (0, 1, 0), (1, 1, 0), 4, 1),
    ]:
        within = points[tissue_at(make_scene([layer]), points) == Kind.VS]
        low, high = layer.box()
        assert len(within) > 20
        assert np.all(within >= low)
        assert np.all(within <= high)


def test_a_later_layer_covers_only_what_it_may() -> None:
    points = random_points()
    layers = [
        solid(Kind.BONE, (0, 0, 0), (5, 5, 5)),
        solid(Kind.CSF, (3, 0, 0), (5, 5, 5)),
        solid(Kind.VS, (0, 3, 0), (5, 5, 5), over=(Kind.CSF,)),
    ]
    distance = [np.linalg.norm(points - center, axis=1) < 5 for center in ((0, 0, 0), (3, 0, 0), (0, 3, 0))]
    expected = np.where(distance[1], np.where(distance[2], Kind.VS, Kind.CSF), np.where(distance[0], Kind.BONE, 0))
    np.testing.assert_array_equal(tissue_at(make_scene(layers), points), expected)


def test_tube_joins_its_points() -> None:
    layers = tube(Kind.BLOOD, [(0, 0, 0), (4, 0, 0), (4, 4, 0)], [1.0, 0.5, 0.5])
    places = np.array([(0, 0.9, 0), (4.3, 0.1, 0), (4, 4.4, 0), (2, 0.9, 0), (4, 4.6, 0)])
    np.testing.assert_array_equal(tissue_at(make_scene(layers), places) > 0, [True, True, True, False, False])


def test_waves_have_zero_mean_and_unit_variance() -> None:
    rng = np.random.default_rng(1)
    wave = draw_waves(rng, wavelength=5, number=8)
    values = wave(*rng.uniform(-500, 500, (3, 40000)))
    assert values.mean() == pytest.approx(0, abs=0.03)
    assert values.std() == pytest.approx(1, abs=0.03)
    assert np.abs(values).max() <= wave.bound
