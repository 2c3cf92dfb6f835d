"""Schwannomas: where they may grow, what they measure, how they are graded; and what is left after an operation."""

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import Patient, draw_patient
from tanq_monai.phantom.anatomy.cavity import cavity_layers, draw_cavity
from tanq_monai.phantom.anatomy.head import draw_head
from tanq_monai.phantom.anatomy.inner_ear import draw_inner_ear, inner_ear_layers
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.anatomy.petrous import petrous_layers
from tanq_monai.phantom.anatomy.population import (
    VS_EXTENT,
    VS_OFFSET,
    draw_cochlea_volume,
    draw_vs_target,
    draw_vs_volume,
    label_size,
)
from tanq_monai.phantom.anatomy.schwannoma import Schwannoma, schwannoma_layers
from tanq_monai.phantom.tissues import VS_KINDS, Kind

STEP = 0.6
SEEDS = (0, 1, 2, 3, 4, 5, 7, 16, 26)  # the first patients with two tumors of each grade, three of them cystic
BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)


class Grown:
    """A patient's tumor on a lattice of points of the undeformed anatomy, with and without it."""

    def __init__(self, patient: Patient, tumor: Schwannoma) -> None:
        self.tumor = tumor
        corners = np.array([[np.subtract(c, r), np.add(c, r)] for c, r in tumor.shape.lobes])
        ends = np.array([tumor.shape.tip, tumor.shape.porus])
        low = np.minimum(corners[:, 0].min(0), ends.min(0)) - 5
        high = np.maximum(corners[:, 1].max(0), ends.max(0)) + 5
        self.lattice = make_lattice(low, high, STEP)
        layers = patient.layers()
        added = len(schwannoma_layers(tumor))
        self.before = paint_lattice(layers[:-added], self.lattice, block=12)
        self.after = paint_lattice(layers, self.lattice, block=12)
        self.vs = np.isin(self.after, VS_KINDS)


@pytest.fixture(scope="module")
def grown() -> list[Grown]:
    """Two tumors of each grade at least, and three cystic ones."""
    tumors = [(patient, patient.tumor) for patient in map(draw_patient, SEEDS) if patient.tumor]
    grades = [tumor.koos for _, tumor in tumors]
    assert min(grades.count(grade) for grade in (1, 2, 3, 4)) >= 2
    assert sum(bool(tumor.cysts) for _, tumor in tumors) >= 3
    return [Grown(patient, tumor) for patient, tumor in tumors]


def test_log_volumes_follow_the_published_percentiles() -> None:
    rng = np.random.default_rng(0)
    vs = np.percentile([draw_vs_volume(rng) for _ in range(4000)], [5, 25, 50, 75, 95])
    np.testing.assert_allclose(np.log10(vs), np.log10([239, 636, 1408, 3217, 6776]), atol=0.16)
    cochlea = np.percentile([draw_cochlea_volume(rng) for _ in range(4000)], [25, 50, 75])
    np.testing.assert_allclose(cochlea, [45.75, 55.82, 68.47], rtol=0.15)


def test_extents_and_offsets_follow_the_published_regressions_on_the_volume() -> None:
    rng = np.random.default_rng(1)
    targets = [draw_vs_target(rng, 1400.0) for _ in range(600)]
    log = np.log10(1400.0)
    extent = 10 ** np.array([0.461 + 0.254 * log, 0.059 + 0.354 * log, -0.221 + 0.423 * log]) + (0, 0, 1.5)
    offset = np.array([6.83 * log - 9.9, 4.29 * log - 5.56, 1.19 * log - 0.29])
    np.testing.assert_allclose(np.median([t.extent for t in targets], axis=0), extent, rtol=0.03)
    np.testing.assert_allclose(np.median([t.offset for t in targets], axis=0), offset, atol=0.4)


@pytest.mark.parametrize("volume", [262.0, 1400.0, 6600.0])
def test_targets_stay_inside_the_limits(volume: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        target = draw_vs_target(rng, volume)
        assert np.all((target.extent >= VS_EXTENT[0]) & (target.extent <= VS_EXTENT[1]))
        assert np.all((target.offset >= VS_OFFSET[0]) & (target.offset <= VS_OFFSET[1]))


def test_label_size_counts_the_voxels_that_are_half_full() -> None:
    axis = np.arange(0.05, 4.0, 0.1)
    points = np.stack(np.meshgrid(axis, axis[:20], axis[:30], indexing="ij"), axis=-1).reshape(-1, 3)  # 4 x 2 x 3 mm
    volume, extent = label_size(points, 0.001, np.array([1.0, 1.0, 1.5]), np.array([0.0, 0.0, 0.0]))
    assert volume == pytest.approx(24)
    np.testing.assert_allclose(extent, [4, 2, 1.5])
    volume, extent = label_size(points, 0.001, np.array([1.0, 1.0, 1.5]), np.array([0.3, 0.0, 0.0]))
    assert volume == pytest.approx(24)  # .3 of a column lost, .7 kept
    np.testing.assert_allclose(extent, [4, 2, 1.5])


def test_tumor_has_the_volume_that_it_names(grown: list[Grown]) -> None:
    for g in grown:  # without the deformation, which changes volumes by some percent
        assert np.count_nonzero(g.vs) * STEP**3 == pytest.approx(g.tumor.volume, rel=0.2)


def test_tumor_replaces_bone_only_in_the_canal_and_its_widened_porus(grown: list[Grown]) -> None:
    for g in grown:
        shape = g.tumor.shape
        eaten = g.lattice[g.vs & np.isin(g.before, [Kind.BONE, Kind.MARROW])]
        tip, way = np.asarray(shape.tip), np.subtract(shape.porus, shape.tip)
        along = np.clip((eaten - tip) @ way / (way @ way), 0, 1)
        distance = np.linalg.norm(eaten - tip - along[:, None] * way, axis=1)
        start = shape.root_radii[0]
        widest = start + along * (max(shape.widening, shape.root_radii[1]) - start)
        assert np.all(distance < widest)


def test_tumor_spares_cochlea_and_labyrinth(grown: list[Grown]) -> None:
    for g in grown:
        ear = np.isin(g.before, [Kind.COCHLEA, Kind.MODIOLUS, Kind.PERILYMPH])
        np.testing.assert_array_equal(g.after[ear], g.before[ear])


def test_cysts_have_a_wall_of_solid_tumor(grown: list[Grown]) -> None:
    cystic = [g for g in grown if np.any(g.after == Kind.VS_CYST)]
    assert cystic
    for g in cystic:
        depth = ndimage.distance_transform_edt(g.vs, sampling=STEP)
        assert depth[g.after == Kind.VS_CYST].min() > STEP


def test_grades_1_and_2_touch_no_brain_and_grade_4_pushes_it_aside(grown: list[Grown]) -> None:
    assert {g.tumor.koos for g in grown} == {1, 2, 3, 4}
    for g in grown:
        rim = ndimage.binary_dilation(g.vs) & ~g.vs
        contact = np.count_nonzero(np.isin(g.after[rim], BRAIN)) / np.count_nonzero(rim)
        pushed = np.count_nonzero(g.vs & np.isin(g.before, BRAIN)) * STEP**3
        if g.tumor.koos <= 2:
            assert contact < 0.03
        if g.tumor.koos == 1:
            reach = (g.lattice[g.vs][:, 0] - g.tumor.shape.porus[0]) * -np.sign(g.tumor.shape.porus[0])
            assert reach.max() < 2 + 2 * STEP
        if g.tumor.koos == 4:
            assert pushed > 100


def test_operated_ear_has_an_open_canal_with_fluid_and_fat_and_no_tumor() -> None:
    rng = np.random.default_rng(3)
    ear = draw_inner_ear(rng, 1, (34.75, 0, 0), 1.0, 0.85)
    bones = petrous_layers(draw_head(rng))
    lattice = make_lattice(np.array([18.0, -12, -6]), np.array([36.0, 2, 8]), 0.5)
    whole = paint_lattice([*bones, *inner_ear_layers(ear)], lattice, block=12)
    opened = paint_lattice([*bones, *inner_ear_layers(ear), *cavity_layers(draw_cavity(rng, ear))], lattice, block=12)
    assert np.count_nonzero(opened == Kind.CSF) > 1.3 * np.count_nonzero(whole == Kind.CSF)
    assert np.count_nonzero(opened == Kind.FAT) * 0.5**3 > 2
    assert not np.isin(opened, VS_KINDS).any()
    ear_tissue = np.isin(whole, [Kind.COCHLEA, Kind.MODIOLUS, Kind.PERILYMPH])
    np.testing.assert_array_equal(opened[ear_tissue], whole[ear_tissue])
