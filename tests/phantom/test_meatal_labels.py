"""Labels as crossMoDA 2023 has them: what of a schwannoma lies in the internal auditory canal."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import (
    LONDON_FLASH,
    Case,
    CaseScans,
    Patient,
    draw_patient,
    ideal_scan,
    make_grid,
    scan_case,
    write_dataset,
)
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.anatomy.meatus import is_intrameatal
from tanq_monai.phantom.dataset.labels import with_meatal_parts
from tanq_monai.phantom.tissues import VS_KINDS, Kind

GRADES = {1: 1, 2: 3, 3: 6, 4: 2}  # Koos grade: a case that has it
STEP = 0.6
SPACING = (0.82, 0.82, 1.5)


@pytest.fixture(scope="module")
def scans() -> dict[int, CaseScans]:
    """A patient of every Koos grade, the tumor and its side's cochlea on voxels of .8 mm in plane."""
    found = {grade: near_tumor(draw_patient(Case("source", index).seeds(0)[0])) for grade, index in GRADES.items()}
    for grade, scan in found.items():
        assert scan.patient.tumor is not None
        assert scan.patient.tumor.koos == grade
    return found


def near_tumor(patient: Patient) -> CaseScans:
    """The label of a turned box round the tumor; no image."""
    assert patient.tumor is not None
    shape = patient.tumor.shape
    (ear,) = (ear for ear in patient.ears if ear.side * shape.porus[0] > 0)
    lobes = [np.add(center, sign * np.asarray(radii)) for center, radii in shape.lobes for sign in (-1, 1)]
    places = np.array([ear.cochlea, shape.tip, *lobes])
    middle, extent = (places.max(0) + places.min(0)) / 2, np.ptp(places, axis=0) + 16
    i, j, k = np.ceil(extent / SPACING).astype(int).tolist()
    grid = make_grid((i, j, k), SPACING, (3, -2, 2), tuple(middle.tolist()), factor=(2, 2, 3), ear_factor=(2, 2, 3))
    return CaseScans(patient, {}, {}, ideal_scan(patient, LONDON_FLASH, grid)[1], grid)


def test_both_parts_together_are_the_vs_and_the_cochlea_is_the_cochlea(scans: dict[int, CaseScans]) -> None:
    for scan in scans.values():
        label = with_meatal_parts(scan)
        assert label.dtype == np.uint8
        np.testing.assert_array_equal(np.isin(label, [1, 2]), scan.label == 1)
        np.testing.assert_array_equal(label == 3, scan.label == 2)


@pytest.mark.parametrize("grade", GRADES)
def test_the_intrameatal_part_fits_a_canal_of_10_to_12_mm_by_4_to_6_mm(scans: dict[int, CaseScans], grade: int) -> None:
    scan = scans[grade]
    voxels = np.argwhere(with_meatal_parts(scan) == 1)
    places = voxels @ scan.grid.affine[:3, :3].T + scan.grid.affine[:3, 3]
    points = np.stack(scan.patient.deform(*places.T), axis=-1)
    tumor = scan.patient.tumor
    (ear,) = (ear for ear in scan.patient.ears if ear.side * tumor.shape.porus[0] > 0)
    way = np.subtract(ear.porus, ear.fundus) / np.linalg.norm(np.subtract(ear.porus, ear.fundus))
    along = (points - ear.fundus) @ way
    width = 2 * np.linalg.norm(points - ear.fundus - along[:, None] * way, axis=1)
    volume = len(voxels) * abs(np.linalg.det(scan.grid.affine[:3, :3]))
    assert 50 < volume < 400  # mm^3; the canal alone has 126 to 339, small tumors do not fill it, large ones widen it
    assert along.min() > -2.5
    assert 7 < along.max() < 14
    assert 2 < np.median(width) < 6
    assert width.max() < 2 * tumor.shape.widening + 2


def test_tumors_of_canal_and_cistern_have_a_larger_share_in_the_canal_than_those_at_the_brain(
    scans: dict[int, CaseScans],
) -> None:
    share = {grade: np.mean(with_meatal_parts(scan)[scan.label == 1] == 1) for grade, scan in scans.items()}
    assert 0.2 < min(share[1], share[2]) <= max(share[1], share[2]) < 0.9
    assert 0.02 < min(share[3], share[4]) <= max(share[3], share[4]) < 0.2


def test_each_part_is_one_piece(scans: dict[int, CaseScans]) -> None:
    for scan in scans.values():
        label = with_meatal_parts(scan)
        for value in (1, 2):
            pieces, _ = ndimage.label(label == value, np.ones((3, 3, 3)))
            sizes = np.bincount(pieces.ravel())[1:]
            assert sizes.max() > 0.98 * sizes.sum()


def test_where_the_tumor_has_replaced_bone_is_intrameatal_and_what_was_free_outside_of_it_is_not() -> None:
    patient = draw_patient(Case("source", GRADES[3]).seeds(0)[0])
    shape = patient.tumor.shape
    ends = np.array([shape.tip, shape.porus])
    lattice = make_lattice(ends.min(0) - 9, ends.max(0) + 9, STEP)
    before = paint_lattice([layer for layer in patient.layers() if layer.kind not in VS_KINDS], lattice, block=12)
    vs = np.isin(paint_lattice(patient.layers(), lattice, block=12), VS_KINDS)
    inside = is_intrameatal(lattice[vs], patient.head, shape)
    assert inside[np.isin(before[vs], [Kind.BONE, Kind.MARROW])].all()
    brain = np.isin(before[vs], [Kind.WHITE_MATTER, Kind.GRAY_MATTER])
    assert brain.sum() > 10
    assert not inside[brain].any()


def test_a_patient_without_tumor_has_cochleae_alone() -> None:
    scan = scan_case(Case("target", 5), "tiny", 0)
    assert scan.patient.tumor is None
    label = with_meatal_parts(scan)
    assert set(np.unique(label)) == {0, 3}
    np.testing.assert_array_equal(label == 3, scan.label == 2)


def test_a_data_set_has_the_same_scans_and_other_labels(tmp_path: Path, tiny_phantom: Path) -> None:
    write_dataset(tmp_path, 1, 1, 0, size="tiny", seed=0, intra_extrameatal=True)
    labels = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*_Label.nii.gz"))
    assert len(labels) == 2
    for path in labels:
        three, two = nib.load(tmp_path / path), nib.load(tiny_phantom / path)
        assert three.get_data_dtype() == np.float64
        assert set(np.unique(three.dataobj)) == {0, 1, 2, 3}
        merged = np.array([0, 1, 1, 2])[np.asarray(three.dataobj).astype(int)]
        np.testing.assert_array_equal(merged, np.asarray(two.dataobj))
        told = three.header["descrip"].item().decode()
        assert told == "virtual patient; 0 other, 1 VS intrameatal, 2 VS extrameatal, 3 cochlea"
    for path in tmp_path.rglob("*T?.nii.gz"):
        assert path.read_bytes() == (tiny_phantom / path.relative_to(tmp_path)).read_bytes()
