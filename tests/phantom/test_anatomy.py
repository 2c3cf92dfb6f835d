"""Sizes and places of the labelled structures against the public VS-SEG contours (240 VS, 145 cochleae)."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import LONDON_FLASH, Patient, draw_patient, ideal_scan, make_grid
from tanq_monai.phantom.anatomy import patient as patient_module

SPACING = np.array([0.5, 0.5, 1.5])
SEEDS = range(4)
VS_LIMITS = {"volume": (238.9, 6776), "extent": ([11.16, 7.716, 5.0], [27.76, 25.77, 25.5])}
VS_OFFSETS = ([4.471, 3.769, 0.7876], [17.3, 12.07, 6.672])  # medial, posterior, superior
COCHLEA_LIMITS = {"volume": (32.5, 92.5), "extent": ([4.895, 3.704, 3.0], [7.578, 6.485, 6.0])}


@dataclass(frozen=True)
class Contours:
    patient: Patient
    vs: np.ndarray  # positions of labelled voxels in mm, RAS
    cochlea: np.ndarray

    @property
    def side(self) -> int:
        return 1 if self.vs[:, 0].mean() > 0 else -1


@pytest.fixture(scope="module")
def contours() -> list[Contours]:
    factor = (2, 2, 3)
    grid = make_grid((160, 90, 30), tuple(SPACING), center=(0, -8, 3.5), factor=factor, ear_factor=factor)
    drawn = []
    for seed in SEEDS:
        patient = draw_patient(seed)
        _, label = ideal_scan(patient, LONDON_FLASH, grid)
        places = [np.argwhere(label == n) @ grid.affine[:3, :3].T + grid.affine[:3, 3] for n in (1, 2)]
        drawn.append(Contours(patient, *places))
    return drawn


def measure(positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Volume; extent of the voxels in the slice, and between the first and the last slice's middle."""
    extent = np.ptp(positions, axis=0) + SPACING * (1, 1, 0)
    return len(positions) * float(np.prod(SPACING)), extent


def check(positions: np.ndarray, limits: dict) -> None:
    volume, extent = measure(positions)
    assert limits["volume"][0] <= volume <= limits["volume"][1]
    assert np.all(extent >= np.array(limits["extent"][0]) - 1e-6)
    assert np.all(extent <= np.array(limits["extent"][1]) + 1e-6)


def test_each_cochlea_measures_what_published_ones_do(contours: list[Contours]) -> None:
    for c in contours:
        for side in (-1, 1):
            check(c.cochlea[np.sign(c.cochlea[:, 0]) == side], COCHLEA_LIMITS)


def test_cochleae_lie_68_to_71_mm_apart(contours: list[Contours]) -> None:
    for c in contours:
        right, left = (c.cochlea[np.sign(c.cochlea[:, 0]) == side, 0].mean() for side in (1, -1))
        assert 68 < right - left < 71


def test_each_tumor_measures_what_published_ones_do(contours: list[Contours]) -> None:
    for c in contours:
        if len(c.vs):
            check(c.vs, VS_LIMITS)


def test_tumors_lie_medial_posterior_and_above_the_cochlea_as_in_patients(contours: list[Contours]) -> None:
    for c in contours:
        if len(c.vs) == 0:
            continue
        same = c.cochlea[np.sign(c.cochlea[:, 0]) == c.side]
        offset = (c.vs.mean(0) - same.mean(0)) * (-c.side, -1, 1)
        assert np.all(offset > VS_OFFSETS[0])
        assert np.all(offset < VS_OFFSETS[1])


def test_tumors_have_the_volume_they_were_drawn_with(contours: list[Contours]) -> None:
    for c in contours:
        expected = c.patient.tumor.volume if c.patient.tumor else 0
        assert measure(c.vs)[0] == pytest.approx(expected, rel=0.08)


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


def test_57_percent_are_right_sided_and_4_percent_operated(monkeypatch: pytest.MonkeyPatch) -> None:
    affected = []
    monkeypatch.setattr(patient_module, "paint_lattice", lambda layers, lattice, block: np.ones(lattice.shape[:3]))
    monkeypatch.setattr(patient_module, "cochlea_passes", lambda *_: True)
    monkeypatch.setattr(patient_module, "draw_schwannoma", lambda rng, ear, *_: affected.append(ear.side))
    operated = [draw_patient(seed).cavity is not None for seed in range(300)]
    assert np.mean(operated) == pytest.approx(0.04, abs=0.03)
    assert len(affected) == 300 - sum(operated)
    assert np.mean([side > 0 for side in affected]) == pytest.approx(0.57, abs=0.08)


def test_the_same_seed_draws_the_same_patient() -> None:
    first, again, other = (draw_patient(seed) for seed in (7, 7, 8))
    assert first.ears == again.ears
    assert first.ears != other.ears
    assert first.tumor is not None
    assert again.tumor is not None
    assert first.tumor.shape.lobes == again.tumor.shape.lobes
    assert first.tumor.cysts == again.tumor.cysts
