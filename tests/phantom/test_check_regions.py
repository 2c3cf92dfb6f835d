"""Reference tissues: against the virtual patients' own signals, and against a real patient measured by hand."""

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial import KDTree
from shared_data import shared_data_folder

from tanq_monai.anatomy.measured import find_anatomy
from tanq_monai.phantom import (
    LONDON_CISS,
    LONDON_FLASH,
    Kind,
    Protocol,
    draw_patient,
    ideal_scan,
    make_grid,
    signal,
)
from tanq_monai.phantom.check import Scan, measure
from tanq_monai.phantom.check.labels import masks_of
from tanq_monai.phantom.check.regions import References, _otsu, find_references
from tanq_monai.scans.volume import read_volume


def references(image: np.ndarray, label: np.ndarray, affine: np.ndarray, csf_is_bright: bool) -> References:
    ears = find_anatomy(*masks_of(label), affine).ears
    assert ears is not None
    return find_references(image, label, affine, ears, csf_is_bright)


@pytest.mark.parametrize(("seed", "angles"), [(0, (0, 0, 0)), (3, (4, -3, 4))])
@pytest.mark.parametrize("protocol", [LONDON_FLASH, LONDON_CISS], ids=lambda p: p.name)
def test_brain_and_csf_have_the_signals_of_white_matter_and_csf(
    seed: int, protocol: Protocol, angles: tuple[float, float, float]
) -> None:
    patient = draw_patient(seed)
    grid = make_grid((90, 54, 20), (1, 1, 1.5), angles, center=(0, -16, 2), ear_factor=(1, 1, 1))
    image, label = ideal_scan(patient, protocol, grid)
    found = references(image, label, grid.affine, protocol.contrast == "hrT2")
    assert found.brain == pytest.approx(signal(patient.tissues[Kind.WHITE_MATTER], protocol), rel=0.03)
    assert found.csf == pytest.approx(signal(patient.tissues[Kind.CSF], protocol), rel=0.03)
    assert 0 <= found.bone < 0.3 * found.brain


@pytest.fixture(scope="module")
def blocks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brain 100, ventricle 30, bone 10 round the cochleae, VS 250, cochlea 40; 1 mm voxels, RAS."""
    affine = np.eye(4)
    affine[:3, 3] = -50, -60, -25
    x, y, z = (np.indices((101, 91, 51)).T + affine[:3, 3]).T
    image, label = np.full(x.shape, 100.0), np.zeros(x.shape, np.uint8)
    image[(np.abs(x) < 7) & (np.abs(y + 26) < 5) & (np.abs(z - 4) < 8)] = 30
    image[(np.abs(np.abs(x) - 35) < 9) & (np.abs(y) < 9) & (np.abs(z) < 9)] = 10
    label[(np.abs(np.abs(x) - 35) <= 3) & (np.abs(y) <= 2) & (np.abs(z) <= 2)] = 2
    label[(np.abs(x - 14) < 9) & (np.abs(y + 10) < 9) & (np.abs(z - 4) < 9)] = 1
    image[label == 1], image[label == 2] = 250, 40
    return image, label, affine


def test_each_reference_is_the_intensity_of_its_block(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert references(*blocks, csf_is_bright=False) == References(brain=100, csf=30, bone=10)


def test_ratios_are_those_of_the_blocks(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    found = measure(Scan("one", "", "ceT1", "ceT1", *blocks))
    expected = {"VS / brain": 2.5, "cochlea / brain": 0.4, "CSF / brain": 0.3, "cochlea / petrous bone": 4}
    assert {name: found.figures[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(found.figures["cochlear fluid / brain"])  # a figure of hrT2
    assert found.side == "right"


def test_shares_of_the_voxels_are_absent_for_what_is_not_labelled(
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    image, label, affine = blocks
    label = np.where(label == 1, 0, label).astype(np.uint8)
    found = measure(Scan("one", "", "ceT1", "ceT1", image, label, affine)).figures
    assert found["cochleae voxels"] == pytest.approx(100 * 2 * 7 * 5 * 5 / (101 * 91 * 51))
    assert np.isnan([found["VS voxels"], found["VS / brain"]]).all()


def test_cochlear_fluid_is_the_brightest_twentieth_of_the_cochleas_voxels(
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    image, label, affine = blocks[0].copy(), blocks[1], blocks[2]
    image[label == 2] = np.linspace(0, 200, np.count_nonzero(label == 2))
    found = measure(Scan("one", "", "hrT2", "hrT2", image, label, affine))
    assert found.figures["cochlear fluid / brain"] == pytest.approx(1.9, rel=1e-3)


def test_references_do_not_depend_on_what_is_labelled(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, label, affine = blocks
    other = np.where(label > 0, 9999.0, image)
    assert references(other, label, affine, False) == references(image, label, affine, False)


def test_voxels_within_three_millimeters_of_a_label_are_no_reference(
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    image, label, affine = blocks[0], blocks[1].copy(), blocks[2]
    label[45:56, 45:56, 24:35] = 1  # leaves caps of the ball in the pons, at most 2 mm thick
    assert np.isnan(references(image, label, affine, False).brain)


def test_petrous_bone_is_the_median_two_to_four_millimeters_from_the_cochleae(
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    _, label, affine = blocks
    label = np.where(label == 1, 0, label).astype(np.uint8)
    cochlea = np.argwhere(label == 2)
    distance = KDTree(cochlea).query(np.argwhere(label >= 0))[0].reshape(label.shape)
    shell = distance[(distance > 2) & (distance <= 4)]
    assert references(distance, label, affine, False).bone == pytest.approx(np.median(shell))


def test_regions_turn_with_the_head(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, label, affine = blocks
    cos, sin = np.cos(np.radians(25)), np.sin(np.radians(25))
    turned = np.array([[cos, -sin, 0, 8], [sin, cos, 0, -9], [0, 0, 1, 30], [0, 0, 0, 1]]) @ affine
    assert references(image, label, turned, False) == references(image, label, affine, False)
    without_vs = np.where(label == 1, 0, label).astype(np.uint8)
    x, y, z = (np.indices(label.shape).T + affine[:3, 3]).T
    slope = 200 + x / 2 + y - z  # its median in a ball is its value in the middle: 10 mm behind, 4 mm above the ears
    for position in (affine, turned):
        assert references(slope, without_vs, position, False).brain == pytest.approx(200 - 10 - 4, abs=0.5)


def test_a_brighter_vessel_is_not_taken_for_a_class(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, label, affine = blocks[0].copy(), blocks[1], blocks[2]
    image[44:57, 22:25, 20:40] = 1000  # beside the ventricle
    assert references(image, label, affine, False).csf == 30


def test_what_lies_outside_the_scan_is_not_measured(blocks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, label, affine = (part[:, 58:] if part.ndim == 3 else part.copy() for part in blocks)
    affine[1, 3] += 58
    found = references(image, label, affine, False)
    assert np.isnan([found.brain, found.csf]).all()
    assert found.bone == 10


def test_otsu_equals_its_definition_tried_at_every_threshold() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(20, 4, 300), rng.normal(80, 9, 2000)])
    edges = np.histogram(values, bins=128)[1][1:-1]
    parts = [(values[values < edge], values[values >= edge]) for edge in edges]
    within = [low.var() * len(low) + high.var() * len(high) for low, high in parts]
    assert _otsu(values) == pytest.approx(edges[int(np.argmin(within))], abs=2 * (edges[1] - edges[0]))
    assert 32 < _otsu(values) < 60


@pytest.mark.parametrize("value", [0.0, -3.0, 1e20, 1e-30])
def test_values_that_are_all_equal_have_no_threshold(value: float) -> None:
    assert np.isnan(_otsu(np.full(50, value)))
    assert np.isnan(_otsu(value * np.linspace(1, 1 + 1e-15, 50)))


@pytest.mark.parametrize("csf_is_bright", [False, True])
def test_a_region_of_one_intensity_behind_the_pons_holds_no_csf(
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray], csf_is_bright: bool
) -> None:
    image, label, affine = blocks
    found = references(np.where(image == 30, 100, image), label, affine, csf_is_bright)
    assert (found.brain, found.bone) == (100, 10)
    assert np.isnan(found.csf)


def test_a_real_patients_intensities_are_those_measured_by_hand() -> None:
    folder = shared_data_folder("vs_seg_001")
    scan = read_volume(folder / "ceT1_dicom")
    image, affine = scan.voxels, scan.affine
    file = nib.load(folder / "label.nii.gz")
    np.testing.assert_allclose(file.affine, affine, atol=1e-3)
    label = np.asarray(file.dataobj)
    found = references(image, label, affine, csf_is_bright=False)
    assert found.brain == pytest.approx(533, rel=0.05)
    assert found.csf == pytest.approx(146, rel=0.15)  # there of a lateral ventricle
    assert found.bone == pytest.approx(95, rel=0.10)
    ratios = measure(Scan("vs_seg_001", "ldn", "ceT1", "MPRAGE", image, label, affine)).figures
    assert ratios["VS / brain"] == pytest.approx(1.39, rel=0.10)  # there of the mean, with its cysts
    assert ratios["cochlea / brain"] == pytest.approx(0.34, rel=0.05)
    assert ratios["height"] == pytest.approx(180)
