"""The inner ear's geometry, measured on lattices of points."""

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom.anatomy.cochlea import cochlear_turns
from tanq_monai.phantom.anatomy.head import draw_head
from tanq_monai.phantom.anatomy.inner_ear import InnerEar, cochlea_label_layers, draw_inner_ear, inner_ear_layers
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.anatomy.petrous import petrous_layers
from tanq_monai.phantom.tissues import COCHLEA_KINDS, Kind

STEP = 0.25


@pytest.fixture(scope="module", params=[1, -1], ids=["right", "left"])
def ear(request: pytest.FixtureRequest) -> InnerEar:
    rng = np.random.default_rng(5)
    return draw_inner_ear(rng, request.param, (request.param * 34.75, 0.3, -0.2), 1.0, 0.85)


@pytest.fixture(scope="module")
def lattice(ear: InnerEar) -> np.ndarray:
    center = np.asarray(ear.cochlea) + np.array([ear.side * 0.5, -4.0, 1.5])
    return make_lattice(center - 12, center + 12, STEP)


@pytest.fixture(scope="module")
def label(ear: InnerEar, lattice: np.ndarray) -> np.ndarray:
    return paint_lattice(cochlea_label_layers(ear), lattice, block=12) > 0


@pytest.fixture(scope="module")
def tissues(ear: InnerEar, lattice: np.ndarray) -> np.ndarray:
    bones = petrous_layers(draw_head(np.random.default_rng(1)))
    return paint_lattice([*bones, *inner_ear_layers(ear)], lattice, block=12)


def test_cochlea_makes_two_and_a_half_turns() -> None:
    places, _ = cochlear_turns(1.0, 0.0, 0.0, 1)  # the axis points to the side: x
    axis = places[15:].mean(0)
    angles = np.unwrap(np.arctan2(places[:, 2] - axis[2], places[:, 1] - axis[1]))
    assert abs(angles[-1] - angles[0]) / (2 * np.pi) == pytest.approx(2.5, abs=0.15)


def test_cochlea_measures_8_mm_from_the_round_window_to_the_opposite_wall() -> None:
    places, lumen = cochlear_turns(1.0, 50.0, 10.0, 1)
    half = np.argmax(np.linalg.norm(places - places[0], axis=1))
    assert np.linalg.norm(places[half] - places[0]) + lumen[0] + lumen[half] == pytest.approx(8.2, abs=0.3)


def test_left_cochlea_mirrors_the_right_one() -> None:
    right, left = (cochlear_turns(1.1, 55.0, 12.0, side)[0] for side in (1, -1))
    np.testing.assert_allclose(left, right * (-1, 1, 1))


def test_cochlea_center_is_the_middle_of_its_label(ear: InnerEar, lattice: np.ndarray, label: np.ndarray) -> None:
    np.testing.assert_allclose(lattice[label].mean(0), ear.cochlea, atol=0.3)


def test_whole_label_is_painted_as_cochlea(tissues: np.ndarray, label: np.ndarray) -> None:
    painted = np.isin(tissues, COCHLEA_KINDS)
    assert np.count_nonzero(painted & label) >= 0.99 * np.count_nonzero(label)
    assert np.count_nonzero(painted & ~label) <= 0.01 * np.count_nonzero(label)


def test_axial_slices_show_two_lobes_of_fluid_with_dark_modiolus_between(tissues: np.ndarray) -> None:
    lobes = []
    for k in range(tissues.shape[2]):
        pieces, number = ndimage.label(tissues[:, :, k] == Kind.COCHLEA)
        sizes = np.bincount(pieces.ravel())[1:] * STEP**2
        lobes.append(np.count_nonzero(sizes > 0.4) if number else 0)
    assert max(lobes) >= 2
    assert np.count_nonzero(np.array(lobes) >= 2) * STEP >= 1.0  # mm of height


def test_labyrinth_keeps_off_the_cochlea_but_for_the_way_into_it(
    ear: InnerEar, lattice: np.ndarray, label: np.ndarray
) -> None:
    fluid = paint_lattice([a for a in inner_ear_layers(ear) if a.kind == Kind.PERILYMPH], lattice, block=12) > 0
    assert np.count_nonzero(fluid & label) < 0.05 * np.count_nonzero(fluid)


def test_labyrinth_and_cochlea_lie_in_dense_bone(tissues: np.ndarray) -> None:
    inner = np.isin(tissues, [Kind.PERILYMPH, *COCHLEA_KINDS])
    rim = ndimage.binary_dilation(inner, iterations=3) & ~inner
    around = tissues[rim]
    assert np.isin(around, [Kind.BONE, Kind.CSF, Kind.NERVE]).all()
    assert np.mean(around == Kind.BONE) > 0.95


def test_internal_auditory_canal_is_10_to_12_mm_long_and_4_to_6_mm_wide(ear: InnerEar) -> None:
    assert 9.5 < np.linalg.norm(np.subtract(ear.fundus, ear.porus)) < 13.0
    assert 4.0 <= 2 * ear.canal_radius <= 6.0


def test_four_nerves_run_through_the_canal(ear: InnerEar) -> None:
    middle = 0.5 * (np.asarray(ear.fundus) + np.asarray(ear.porus))
    half = np.array([0.05, 3, 3])
    plane = make_lattice(middle - half, middle + half, 0.1)
    cut = paint_lattice(inner_ear_layers(ear), plane)[0]
    pieces, number = ndimage.label(cut == Kind.NERVE)
    assert number == 4
    areas = np.bincount(pieces.ravel())[1:] * 0.01
    assert np.all((areas > 0.3) & (areas < 1.2))  # mm^2
    assert np.count_nonzero(cut == Kind.CSF) > 2 * np.count_nonzero(cut == Kind.NERVE)
