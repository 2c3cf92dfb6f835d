"""Scans of many hospitals: sequences, fields, flaws, findings."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.errors import InputError
from tanq_monai.phantom import LONDON_CISS, Case, Kind, draw_patient, ideal_scan, make_grid, scan_case, signal
from tanq_monai.phantom.anatomy.findings import Findings, draw_dural_mass, draw_findings
from tanq_monai.phantom.anatomy.patches import draw_patches
from tanq_monai.phantom.anatomy.patient import with_findings
from tanq_monai.phantom.anatomy.variety import _draw_moving, varied
from tanq_monai.phantom.dataset.folder import write_dataset
from tanq_monai.phantom.scanner.acquisition import render
from tanq_monai.phantom.scanner.flaws import FLAWLESS, Flaws, draw_flaws
from tanq_monai.phantom.scanner.hospitals import LEFT_OUT, SEQUENCES, draw_sequence, draw_settings
from tanq_monai.phantom.scanner.protocols import draw_grid
from tanq_monai.phantom.tissues import (
    ENHANCED,
    NATIVE,
    PATCH_KINDS,
    at_field,
    individual_tissues,
    tissues_of_no_patient,
    without_gadolinium,
)

GRID = make_grid((110, 90, 6), (0.9, 0.9, 2.0), ear_factor=(1, 1, 1))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_vendor_left_out_is_never_trained_on_and_alone_tested_on() -> None:
    random = rng()
    trained = [draw_settings(random, draw_sequence(random)) for _ in range(300)]
    tested = [draw_settings(random, draw_sequence(random, left_out=True)) for _ in range(60)]
    assert not any(one.name.startswith(LEFT_OUT) for one in trained)
    assert all(one.name.startswith(LEFT_OUT) and one.tesla == 3 for one in tested)
    assert {one.name for one in trained + tested} == {f"{one.vendor} {one.name}" for one in SEQUENCES}
    assert {one.tesla for one in trained} == {1.5, 3.0}
    assert {one.gadolinium for one in trained} == {True, False}


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda one: f"{one.vendor} {one.name}")
def test_in_every_sequence_csf_is_brighter_than_brain_and_brain_than_bone(sequence) -> None:
    for seed in range(20):
        protocol = draw_settings(rng(seed), sequence)
        tissues = at_field(ENHANCED if protocol.gadolinium else NATIVE, protocol.tesla)
        fluid, white, bone = (signal(tissues[kind], protocol) for kind in (Kind.CSF, Kind.WHITE_MATTER, Kind.BONE))
        assert fluid > 1.5 * white > 3 * bone


def test_one_pass_of_a_balanced_sequence_has_bands_where_two_fill_each_other_up() -> None:
    angles = np.linspace(0, 2 * np.pi, 50)
    for kind in (Kind.CSF, Kind.WHITE_MATTER):
        two, one = (
            np.array([signal(ENHANCED[kind], replace(LONDON_CISS, passes=passes), angle) for angle in angles])
            for passes in (2, 1)
        )
        np.testing.assert_allclose(
            two, np.maximum(one, np.interp((angles + np.pi) % (2 * np.pi), angles, one)), rtol=0.01
        )
        assert one.min() < 0.5 * two.min()


def test_t1_at_3_tesla_is_what_was_measured_to_within_a_tenth() -> None:
    """Stanisz 2005: white matter 884 to 1084 ms, muscle 1008 to 1412 ms."""
    at_3 = at_field(NATIVE, 3.0)
    assert at_3[Kind.WHITE_MATTER].t1 == pytest.approx(1084, rel=0.1)
    assert at_3[Kind.MUSCLE].t1 == pytest.approx(1412, rel=0.1)
    assert at_3[Kind.CSF] == NATIVE[Kind.CSF]
    assert at_field(NATIVE, 1.5) == dict(NATIVE)


def test_without_gadolinium_only_what_takes_it_up_changes() -> None:
    tissues = individual_tissues(rng())
    native = without_gadolinium(tissues)
    assert native[Kind.VS].t1 == NATIVE[Kind.VS].t1
    assert native[Kind.VS].density == tissues[Kind.VS].density
    assert native[Kind.WHITE_MATTER] == tissues[Kind.WHITE_MATTER]


def test_tissues_of_no_patient_have_any_order_of_levels_with_mostly_dark_bone_and_one_labyrinth() -> None:
    drawn = [tissues_of_no_patient(rng(seed)) for seed in range(60)]
    assert 30 < sum(tissues[Kind.BONE] == NATIVE[Kind.BONE] for tissues in drawn) < 56
    assert 36 < sum(tissues[Kind.COCHLEA] == tissues[Kind.PERILYMPH] for tissues in drawn) < 60
    kinds = (Kind.VS, Kind.CSF, Kind.WHITE_MATTER)
    levels = [[signal(tissues[kind], LONDON_CISS) for kind in kinds] for tissues in drawn]
    assert {tuple(np.argsort(one)) for one in levels} == set(permutations(range(3)))


def test_patches_are_of_their_own_tissues_and_leave_the_labels_as_they_are() -> None:
    patient = draw_patient(1)
    plain, label = ideal_scan(patient, LONDON_CISS, GRID)
    for seed in range(4):
        patches = draw_patches(rng(seed))
        patched = replace(patient, overlays=patches.layers, tissues={**patient.tissues, **patches.tissues})
        image, same = ideal_scan(patched, LONDON_CISS, GRID)
        np.testing.assert_array_equal(label, same)
        assert 0.02 < np.mean(np.abs(image - plain) > 1e-3) < 0.9


def test_a_varied_patient_has_other_cochleae_proportions_and_fluid_and_keeps_the_tumor() -> None:
    patient = draw_patient(1)
    others = [varied(patient, rng(seed)) for seed in range(60)]
    assert all(one.tumor is patient.tumor for one in others)
    sizes = [one.ears[0].cochlea_size * one.ears[0].fluid for one in others]
    assert np.ptp(sizes) > 0.2 * patient.ears[0].cochlea_size * patient.ears[0].fluid
    of_patients = [one.tissues for one in others if one.take_up_gadolinium]
    assert 25 < len(of_patients) < 52
    assert sum(tissues[Kind.COCHLEA].t2 < 0.95 * patient.tissues[Kind.COCHLEA].t2 for tissues in of_patients) > 8
    assert 15 < sum(any(layer.kind in PATCH_KINDS for layer in one.overlays) for one in others) < 45
    assert 12 < sum(any(layer.kind == Kind.MOVING_CSF for layer in one.overlays) for one in others) < 40


def test_labyrinth_fluid_rich_in_protein_stays_so_without_gadolinium() -> None:
    patient = draw_patient(1)
    fluids = []
    for one in (varied(patient, rng(seed)) for seed in range(20)):
        seen = without_gadolinium(one.tissues, one.take_up_gadolinium)
        fluid, own = one.tissues[Kind.COCHLEA], patient.tissues[Kind.COCHLEA]
        assert seen[Kind.COCHLEA].t2 == (NATIVE[Kind.COCHLEA] if fluid == own else fluid).t2
        fluids.append(fluid == own)
    assert set(fluids) == {True, False}


def test_csf_that_moves_is_darker_and_everything_else_as_it_was() -> None:
    patient = draw_patient(1)
    plain, label = ideal_scan(patient, LONDON_CISS, GRID)
    fluid = patient.tissues[Kind.CSF]
    darker = {**patient.tissues, Kind.MOVING_CSF: replace(fluid, density=0.2 * fluid.density)}
    for seed in range(4):
        moving = replace(patient, tissues=darker, overlays=(_draw_moving(rng(seed)),))
        image, same = ideal_scan(moving, LONDON_CISS, GRID)
        np.testing.assert_array_equal(label, same)
        changed = np.abs(image - plain) > 1e-6
        assert changed.any() and np.all(image[changed] < plain[changed])
        assert plain[changed].min() > 0.2 * signal(fluid, LONDON_CISS)  # all of it held CSF
        middle = np.argwhere(changed).mean(axis=0)[:2]
        np.testing.assert_allclose(middle, (54.5, 49), atol=20)  # round the brainstem


def test_a_mass_on_the_petrous_bone_leaves_canal_cochlea_and_label_as_they_are() -> None:
    patient = draw_patient(1)
    ear = next(ear for ear in patient.ears if ear.side != np.sign(patient.tumor.shape.porus[0]))
    bare = replace(patient, findings=Findings((), (), {}))
    grid = make_grid((40, 40, 24), (0.7, 0.7, 1.0), center=ear.fundus, ear_factor=(1, 1, 1))
    plain, label = ideal_scan(bare, LONDON_CISS, grid)
    canal = (slice(12, 28), slice(14, 26), slice(10, 14))
    for seed in range(6):
        mass = draw_dural_mass(rng(seed), ear.porus)
        beside = replace(bare, findings=Findings((mass,), (), {}))
        image, same = ideal_scan(beside, LONDON_CISS, grid)
        np.testing.assert_array_equal(label, same)
        assert np.linalg.norm(np.subtract(mass.center, ear.porus)) > max(mass.radii) * 0.7
        assert np.mean(np.abs(image - plain)[canal] > 1e-3) < 0.05


def test_a_stretched_head_has_its_cochleae_farther_apart_by_the_same_factor() -> None:
    patient = draw_patient(1)
    wide = replace(patient, deform=replace(patient.deform, stretch=(1.2, 1.0, 1.0)))
    grid = make_grid((140, 40, 12), (0.7, 0.7, 1.5), ear_factor=(1, 1, 1))
    distances = []
    for one in (patient, wide):
        _, label = ideal_scan(one, LONDON_CISS, grid)
        left = np.argwhere(label == 2)[:, 0]
        distances.append(left[left > 70].mean() - left[left < 70].mean())
    assert distances[1] == pytest.approx(1.2 * distances[0], rel=0.02)


def test_tissues_of_no_patient_are_the_same_with_and_without_gadolinium() -> None:
    patient = replace(draw_patient(1), tissues=tissues_of_no_patient(rng()), take_up_gadolinium=frozenset())
    grid = make_grid((60, 50, 2), (1.6, 1.6, 4.0), ear_factor=(1, 1, 1))
    before, after = (ideal_scan(patient, replace(LONDON_CISS, gadolinium=it), grid)[0] for it in (False, True))
    np.testing.assert_array_equal(before, after)


def test_flawless_is_the_image_itself() -> None:
    image = rng().random((12, 10, 2), dtype=np.float32)
    assert FLAWLESS.spoil(image) is image


def test_a_patient_who_lies_elsewhere_all_the_time_is_shifted_and_one_who_never_moves_is_not() -> None:
    image = ndimage.gaussian_filter(rng().random((64, 40, 2), dtype=np.float32), (4, 4, 0))
    still = Flaws(displacement=(0.0,) * 64).spoil(image)
    moved = Flaws(displacement=(3.0,) * 64).spoil(image)
    np.testing.assert_allclose(still, image, atol=1e-5)
    np.testing.assert_allclose(moved, np.roll(image, 3, axis=0), atol=1e-4)


def test_pulsation_makes_ghosts_along_the_phase_axis_alone() -> None:
    image = np.zeros((64, 64, 1), np.float32)
    image[30:34, 20:24] = 1
    ghosts = Flaws(displacement=tuple(0.5 * np.sin(np.arange(64)))).spoil(image)
    assert ghosts[:, 20:24].sum() > 1.05 * image.sum()
    assert np.abs(np.delete(ghosts, slice(20, 24), axis=1)).max() < 1e-5


def test_fewer_lines_of_k_space_ring_at_an_edge_and_keep_the_mean() -> None:
    image = np.zeros((64, 64, 1), np.float32)
    image[20:44, 20:44] = 1
    rings = Flaws(sampled=0.5).spoil(image)
    assert rings.max() > 1.05
    assert rings[40, 32] == pytest.approx(1, abs=0.2)
    assert np.abs(np.fft.fft2(rings[..., 0]))[16:48].max() < 0.2 * np.abs(np.fft.fft2(image[..., 0]))[:16].max()


def test_what_lies_beyond_one_side_is_folded_onto_the_other_with_a_label_of_the_scan_alone() -> None:
    patient = draw_patient(3)
    plain, label = render(patient, LONDON_CISS, GRID, rng())
    folded, folded_label = render(patient, LONDON_CISS, GRID, rng(), Flaws(folded=16))
    np.testing.assert_array_equal(folded_label, label)
    wide = replace(GRID, shape=(142, 90, 6), affine=GRID.affine.copy())
    wide.affine[:3, 3] -= 16 * GRID.affine[:3, 0]
    image, _ = ideal_scan(patient, LONDON_CISS, wide)
    beyond = image[:16].mean()
    gained = (folded[-16:].astype(float) - plain[-16:]).mean() / (plain.mean() / image[16:-16].mean())
    assert gained == pytest.approx(beyond, rel=0.25)
    np.testing.assert_allclose(folded[25:-25], plain[25:-25], atol=1)


def test_masses_keep_away_from_the_ears_and_are_no_schwannoma() -> None:
    patient = draw_patient(0)
    spared = tuple(point for ear in patient.ears for point in (ear.cochlea, ear.porus))
    for seed in range(40):
        for mass in draw_findings(rng(seed), patient.head, spared).masses:
            distance = min(np.linalg.norm(np.subtract(mass.center, point)) for point in spared)
            assert distance - max(mass.radii) > 18
            assert mass.kind in (Kind.MASS, Kind.MASS_FLUID)


def test_findings_leave_the_labels_of_the_ears_as_they_are() -> None:
    patient = draw_patient(1)
    whole_head = make_grid((100, 120, 40), (1.8, 1.8, 3.0), ear_factor=(1, 1, 1))
    image, label = ideal_scan(patient, LONDON_CISS, whole_head)
    largest = 0.0
    for seed in range(4):
        found = replace(with_findings(patient, rng(seed)), tumor=patient.tumor, deform=patient.deform)
        other, same = ideal_scan(found, LONDON_CISS, whole_head)
        np.testing.assert_array_equal(label, same)
        largest = max(largest, float(np.abs(image - other).max()))
    assert largest > 0.1


@pytest.mark.parametrize("protocols", ["hospitals", "left_out"])
def test_a_scan_follows_from_the_seed_and_has_both_structures_in_most_patients(protocols) -> None:
    cases = [Case("target", index) for index in range(6)]
    scans = [scan_case(case, "tiny", 0, protocols) for case in cases]
    again = scan_case(cases[2], "tiny", 0, protocols)
    np.testing.assert_array_equal(again.images["hrT2"], scans[2].images["hrT2"])
    assert sum(set(np.unique(one.label)) == {0, 1, 2} for one in scans) >= 4
    assert all((one.protocols["hrT2"].name.split()[0] == LEFT_OUT) == (protocols == "left_out") for one in scans)


def test_varied_grids_span_fine_and_coarse_voxels_and_cost_no_more_than_they_may() -> None:
    grids = [draw_grid(rng(seed), "varied", "ldn", "hrT2") for seed in range(200)]
    spacings = np.array([np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in grids])
    shapes = np.array([grid.shape for grid in grids])
    assert spacings[:, 0].min() < 0.5 and spacings[:, 0].max() > 0.95
    assert spacings[:, 2].min() < 0.5 and spacings[:, 2].max() > 1.5
    assert shapes[:, 0].max() <= 320 and shapes[:, 2].max() <= 72
    assert shapes.min() >= 6
    heights = (spacings * shapes)[:, 2]
    assert heights.min() > 15 and heights.max() <= 101


def test_flaws_are_of_the_seed_and_most_scans_have_few() -> None:
    drawn = [draw_flaws(rng(seed), (200, 200, 20)) for seed in range(200)]
    assert draw_flaws(rng(7), (200, 200, 20)) == drawn[7]
    assert 20 < sum(bool(one.displacement) for one in drawn) < 120
    assert 5 < sum(bool(one.folded) for one in drawn) < 50


def test_an_unknown_way_of_scanning_is_told(tmp_path) -> None:
    with pytest.raises(InputError, match="protocols: 'ge' is unknown; choose one of sites, hospitals, left_out"):
        write_dataset(tmp_path, 0, 1, 0, "tiny", 0, protocols="ge")
