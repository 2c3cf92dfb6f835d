"""The noise of repeated volumes, beside its definition."""

import math

import numpy as np
import pytest
from growth_noise import noise_of, patients, shows_all

from tanq_monai.errors import InputError


def volumes(logs):
    return {
        f"patient{patient}_scan{number}": math.exp(one)
        for patient, own in enumerate(logs)
        for number, one in enumerate(own)
    }


def test_the_deviation_is_the_root_of_the_mean_variance_within_patients_of_a_class():
    large, small = np.array([[0.4, 0.3, 0.2], [1.0, 1.2, 1.4]]), np.array([[-2.0, -1.0, -3.0], [-1.5, -1.5, -1.5]])
    found = noise_of(volumes([*large, *small]))
    assert [one["from_ml"] for one in found["classes"]] == [0.0, 1.0]
    expected = [math.sqrt(own.var(axis=1, ddof=1).mean()) for own in (small, large)]
    assert [one["deviation"] for one in found["classes"]] == pytest.approx(expected, abs=5e-5)
    assert [(one["patients"], one["pairs"]) for one in found["classes"]] == [(2, 6), (2, 6)]


def test_a_normal_noise_comes_back_with_its_196_deviations():
    rng = np.random.default_rng(0)
    logs = rng.normal(size=(2000, 1)) * 0.1 + 1 + rng.normal(size=(2000, 3)) * 0.15
    found = noise_of(volumes([*logs, [-2.0, -2.1]]))
    assert found["classes"][1]["deviation"] == pytest.approx(0.15, rel=0.03)
    assert found["reach"] == pytest.approx(1.96, abs=0.06)


def test_scans_without_a_vs_are_counted_and_left_out():
    made = volumes([[0.0, 0.1, 0.2], [-2.0, -1.0]]) | {"patient2_scan0": 0.0, "patient2_scan1": 1.0}
    found = noise_of(made)
    assert (found["patients"], found["scans"], found["without_vs_found"]) == (3, 7, 1)
    assert sum(one["patients"] for one in found["classes"]) == 2


def test_a_class_without_patients_is_told():
    with pytest.raises(InputError, match="leaves no patient with a VS of 1 ml or more; take more"):
        noise_of(volumes([[-1.0, -1.1]]))


def test_patients_have_a_vs_and_do_not_depend_on_how_many_there_are():
    (first,), (same, other) = patients(0, 1), patients(0, 2)
    assert first[0] == same[0] != other[0]
    assert first[1].tumor is not None
    assert first[1].tumor.volume == same[1].tumor.volume
    assert first[2].generate_state(1) == same[2].generate_state(1) != other[2].generate_state(1)


def test_a_mask_at_the_border_is_not_shown_as_a_whole():
    mask = np.zeros((5, 5, 5), bool)
    assert not shows_all(mask)
    mask[2, 2, 2] = True
    assert shows_all(mask)
    mask[2, 2, 4] = True
    assert not shows_all(mask)
