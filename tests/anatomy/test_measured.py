"""Sizes and places from a label map: against boxes, and against the published contours of real patients."""

import csv

import nibabel as nib
import numpy as np
import pytest
from shared_data import shared_data_folder

from tanq_monai.anatomy.measured import Anatomy, find_anatomy, geometry_figures
from tanq_monai.phantom.check.labels import masks_of

AFFINE = np.diag([-0.5, -0.4, 1.5, 1.0])  # LPS, the order of all crossMoDA volumes
AFFINE[:3, 3] = 50, 30, -20
BOXES = {  # first and last voxel along left, posterior, superior
    "right": (2, (20, 30), (60, 70), (10, 12)),
    "left": (2, (160, 169), (61, 72), (11, 13)),
    "vs": (1, (45, 70), (75, 100), (9, 18)),
}


def label_with(*names: str) -> np.ndarray:
    label = np.zeros((200, 150, 30), np.uint8)
    for name in names:
        value, *ends = BOXES[name]
        label[tuple(slice(first, last + 1) for first, last in ends)] = value
    return label


def middle(name: str) -> np.ndarray:
    return AFFINE[:3, :3] @ np.mean(BOXES[name][1:], axis=1) + AFFINE[:3, 3]


def anatomy_of(label: np.ndarray, affine: np.ndarray = AFFINE) -> Anatomy:
    return find_anatomy(*masks_of(label), affine)


def figures(label: np.ndarray, affine: np.ndarray = AFFINE) -> dict[str, float]:
    return geometry_figures(anatomy_of(label, affine))


def test_a_box_has_its_volume_extent_and_place() -> None:
    found = figures(label_with(*BOXES))
    assert found["VS volume"] == pytest.approx(26 * 26 * 10 * 0.3)
    assert found["VS left-right"] == pytest.approx(26 * 0.5)
    assert found["VS front-back"] == pytest.approx(26 * 0.4)
    assert found["VS up-down"] == pytest.approx(9 * 1.5)  # from the first slice to the last
    assert found["right cochlea volume"] == pytest.approx(11 * 11 * 3 * 0.3)
    assert found["left cochlea front-back"] == pytest.approx(12 * 0.4)
    assert found["left cochlea up-down"] == pytest.approx(2 * 1.5)
    assert found["cochleae apart"] == pytest.approx(middle("right")[0] - middle("left")[0])
    place = (
        middle("right")[0] - middle("vs")[0],
        middle("right")[1] - middle("vs")[1],
        middle("vs")[2] - middle("right")[2],
    )
    assert (found["VS medial"], found["VS posterior"], found["VS superior"]) == pytest.approx(place)


def test_a_mirrored_head_has_the_same_figures_on_the_other_side() -> None:
    label = label_with(*BOXES)
    one, other = anatomy_of(label), anatomy_of(label[::-1])
    assert (one.side, other.side) == ("right", "left")
    swapped = {"right": "left", "left": "right"}
    for name, value in geometry_figures(one).items():
        first, _, rest = name.partition(" ")
        assert geometry_figures(other)[f"{swapped.get(first, first)} {rest}"] == pytest.approx(value)


@pytest.mark.parametrize("order", ["RAS", "SPL", "PIR"])
def test_the_order_of_the_voxels_does_not_matter(order: str) -> None:
    scan = nib.Nifti1Image(label_with(*BOXES), AFFINE)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(AFFINE), nib.orientations.axcodes2ornt(order)
    )
    turned = scan.as_reoriented(turn)
    assert turned.shape != scan.shape or order == "RAS"
    assert figures(np.asarray(turned.dataobj), turned.affine) == pytest.approx(figures(label_with(*BOXES)))


def test_labels_of_cross_moda_2023_are_vs_in_two_parts_and_cochlea_3() -> None:
    label = label_with(*BOXES)
    newer = np.where(label == 2, 3, label).astype(np.uint8)
    newer[45:55][newer[45:55] == 1] = 2
    assert figures(newer) == pytest.approx(figures(label))
    np.testing.assert_array_equal(masks_of(newer)[0], label == 1)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_single_cochlea_is_on_the_tumors_side(side: str) -> None:
    label = label_with("right", "vs") if side == "right" else label_with("right", "vs")[::-1]
    anatomy = anatomy_of(label)
    assert anatomy.side == side
    assert (anatomy.right is None) == (side == "left")
    found = geometry_figures(anatomy)
    assert found["VS medial"] == pytest.approx(middle("right")[0] - middle("vs")[0])
    assert np.isnan(found["cochleae apart"])
    assert anatomy.ears is not None
    assert anatomy.ears[0][0] - anatomy.ears[1][0] == pytest.approx(69.5)


def test_without_a_tumor_its_figures_are_absent_and_the_cochleae_measured() -> None:
    found = figures(label_with("right", "left"))
    assert np.isnan([found["VS volume"], found["VS up-down"], found["VS medial"]]).all()
    assert found["right cochlea volume"] > 0
    assert anatomy_of(label_with("left")).left is not None


def test_an_empty_label_has_no_figures() -> None:
    anatomy = anatomy_of(np.zeros((5, 5, 5), np.uint8))
    assert anatomy.ears is anatomy.side is None
    assert np.isnan(list(geometry_figures(anatomy).values())).all()


def test_a_real_patients_figures_are_those_of_its_published_contours() -> None:
    scan = nib.load(shared_data_folder("vs_seg_001") / "label.nii.gz")
    with (shared_data_folder("vs_seg_geometry.csv")).open() as file:
        row = dict(next(csv.DictReader(file)))
    assert row.pop("sub") == "sub-001"
    contours = {key: float(value) for key, value in row.items()}
    found = figures(np.asarray(scan.dataobj), scan.affine)
    assert found["VS volume"] == pytest.approx(contours["vs_mm3"], rel=0.01)
    assert found["left cochlea volume"] == pytest.approx(contours["coch_mm3"], rel=0.01)
    for name, column in (("VS", "vs"), ("left cochlea", "c")):
        assert found[f"{name} left-right"] == pytest.approx(contours[f"{column}_ext_LR"], abs=0.41)
        assert found[f"{name} front-back"] == pytest.approx(contours[f"{column}_ext_AP"], abs=0.41)
        assert found[f"{name} up-down"] == pytest.approx(contours[f"{column}_ext_SI"])
    # The published centroid weighs the contours' points, not the area in them: up to 1 mm elsewhere.
    assert found["VS medial"] == pytest.approx(contours["c_L"] - contours["vs_L"], abs=1)
    assert found["VS posterior"] == pytest.approx(contours["vs_P"] - contours["c_P"], abs=1)
    assert found["VS superior"] == pytest.approx(contours["vs_S"] - contours["c_S"], abs=1)


@pytest.mark.parametrize(("number", "apart"), [(1, 68.2), (2, 70.7)])
def test_both_cochleae_of_real_label_files_are_found(number: int, apart: float) -> None:
    scan = nib.load(shared_data_folder("crossmoda_labels") / f"crossmoda_{number}_Label.nii.gz")
    found = figures(np.asarray(scan.dataobj).astype(np.uint8), scan.affine)
    assert found["cochleae apart"] == pytest.approx(apart, abs=0.1)
    for side in ("right", "left"):
        assert 32.5 < found[f"{side} cochlea volume"] < 92.5
