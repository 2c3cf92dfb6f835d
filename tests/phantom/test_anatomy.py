"""Sizes and places of the labelled structures against the public VS-SEG contours (240 VS, 145 cochleae)."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import LONDON_CISS, Patient, draw_patient, ideal_scan, make_grid

SPACING = (0.8, 0.8, 1.0)
SEEDS = range(16)


@dataclass(frozen=True)
class Contours:
    patient: Patient
    vs: np.ndarray  # positions of labelled voxels in mm, RAS
    cochlea: np.ndarray


@pytest.fixture(scope="module")
def contours() -> list[Contours]:
    grid = make_grid((125, 80, 46), SPACING, center=(0, -6, 2), ear_factor=(2, 2, 2))
    drawn = []
    for seed in SEEDS:
        patient = draw_patient(seed)
        _, label = ideal_scan(patient, LONDON_CISS, grid)
        places = [np.argwhere(label == n) @ grid.affine[:3, :3].T + grid.affine[:3, 3] for n in (1, 2)]
        drawn.append(Contours(patient, *places))
    return drawn


def volume(positions: np.ndarray) -> float:
    return len(positions) * float(np.prod(SPACING))


def test_each_side_has_one_cochlea_of_33_to_93_cubic_millimeters(contours: list[Contours]) -> None:
    volumes = [volume(c.cochlea[np.sign(c.cochlea[:, 0]) == side]) for c in contours for side in (-1, 1)]
    assert np.mean(volumes) == pytest.approx(58, abs=9)
    assert np.std(volumes) == pytest.approx(18, abs=7)
    assert min(volumes) > 20
    assert max(volumes) < 105


def test_cochleae_lie_68_to_71_mm_apart(contours: list[Contours]) -> None:
    apart = [c.cochlea[c.cochlea[:, 0] > 0, 0].mean() - c.cochlea[c.cochlea[:, 0] < 0, 0].mean() for c in contours]
    assert np.median(apart) == pytest.approx(69.5, abs=1.5)
    assert min(apart) > 65
    assert max(apart) < 74


def test_tumors_have_the_volume_they_were_drawn_with(contours: list[Contours]) -> None:
    for c in contours:
        expected = c.patient.tumor.volume if c.patient.tumor else 0
        assert volume(c.vs) == pytest.approx(expected, rel=0.4)


def test_log_volumes_of_tumors_follow_the_clinical_distribution() -> None:
    tumors = [draw_patient(seed).tumor for seed in range(150)]
    logs = np.log10([t.volume for t in tumors if t])
    assert logs.mean() == pytest.approx(3.143, abs=0.1)
    assert logs.std() == pytest.approx(0.44, abs=0.06)
    assert np.mean([t is None for t in tumors]) == pytest.approx(0.04, abs=0.04)
    assert np.mean([t.body[0] > 0 for t in tumors if t]) == pytest.approx(0.57, abs=0.1)


def test_tumors_lie_medial_posterior_and_above_the_cochlea_as_in_patients(contours: list[Contours]) -> None:
    offsets = []
    for c in contours:
        if c.patient.tumor is None:
            continue
        side = np.sign(c.patient.tumor.body[0])
        same = c.cochlea[np.sign(c.cochlea[:, 0]) == side]
        offsets.append((c.vs.mean(0) - same.mean(0)) * (-side, -1, 1))
    medial, posterior, superior = np.median(offsets, axis=0)
    assert medial == pytest.approx(11.7, abs=2)
    assert posterior == pytest.approx(7.7, abs=2)
    assert superior == pytest.approx(3.2, abs=1.5)
    low, high = np.min(offsets, axis=0), np.max(offsets, axis=0)
    assert np.all(low > (2, 2, -2))
    assert np.all(high < (20, 15, 9))


def test_every_tumor_is_one_piece(contours: list[Contours]) -> None:
    for c in contours:
        if len(c.vs) == 0:
            continue
        index = np.rint((c.vs - c.vs.min(0)) / SPACING).astype(int)
        mask = np.zeros(index.max(0) + 1, bool)
        mask[tuple(index.T)] = True
        pieces, number = ndimage.label(mask, np.ones((3, 3, 3)))
        largest = np.bincount(pieces.ravel())[1:].max()
        assert largest > 0.97 * mask.sum(), f"{number} pieces"


def test_the_same_seed_draws_the_same_patient() -> None:
    assert draw_patient(7).ears == draw_patient(7).ears
    assert draw_patient(7).ears != draw_patient(8).ears
