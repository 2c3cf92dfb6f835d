"""What the check measures of one scan, beside written-out values."""

import math

import nibabel as nib
import numpy as np
import pytest
from datasets import image, sheared, tilted
from files import LPS, SHAPE, write_nifti
from scipy import ndimage

from tanq_monai.check.figures import content_of, measure, oblique_deg
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import STRUCTURES, Structures

MM = np.diag([-1.0, -1.0, 1.0, 1.0])  # 1 mm voxels
HEAD = (120, 60, 40)


def measured(tmp_path, voxels, affine=LPS, labels=None, contrast="ceT1"):
    case = {"case": "a", "image": str(write_nifti(tmp_path / "a_ceT1.nii", voxels, affine)), "contrast": contrast}
    if labels is not None:
        case["label"] = str(write_nifti(tmp_path / "a_Label.nii", labels, affine))
    return measure(case, STRUCTURES)


def ball(center, radius):
    return sum((index - at) ** 2 for index, at in zip(np.indices(HEAD), center, strict=True)) <= radius**2


def head_of(vs=(), cochleae=()):
    """Labels of 1 mm: balls of these centres and radii."""
    labels = np.zeros(HEAD)
    for value, balls in ((1, vs), (2, cochleae)):
        for center, radius in balls:
            labels[ball(center, radius)] = value
    return labels


EARS = (((25, 30, 20), 2.4), ((94, 30, 20), 2.4))  # 69 mm apart, 57 mm3 each; i points to the left
TUMOUR = (((37, 35, 22), 6.0),)
BIG = ball((42, 33, 20), 13.0)


def test_a_scan_is_measured_as_it_is_stored(tmp_path):
    voxels = image(0)
    figures = measured(tmp_path, voxels)
    assert (figures.shape, figures.orientation) == (SHAPE, "LPS")
    assert figures.spacing == (0.5, 0.5, 1.5)
    assert (figures.low, figures.high) == (voxels.min(), voxels.max())
    assert (figures.oblique_deg, figures.shear_deg) == (0, 0)
    assert math.isnan(figures.vs_mm3)
    assert figures.remarks == ()


@pytest.mark.parametrize("degrees", [0.0, 7.5, 30.0])
def test_oblique_is_the_angle_by_which_a_scan_is_turned(tmp_path, degrees):
    figures = measured(tmp_path, image(0), tilted(degrees))
    assert figures.oblique_deg == pytest.approx(degrees, abs=1e-3)
    assert figures.shear_deg == pytest.approx(0, abs=1e-3)


def test_an_axis_counts_from_the_nearest_of_the_scanner():
    assert oblique_deg(tilted(80)) == pytest.approx(10)
    assert oblique_deg(LPS[:, [2, 0, 1, 3]]) == 0


@pytest.mark.parametrize(("degrees", "remarks"), [(0.05, ()), (3.0, ("sheared by 3.0 degrees",))])
def test_shear_is_what_the_angle_of_two_axes_lacks_of_90_degrees(tmp_path, degrees, remarks):
    figures = measured(tmp_path, image(0), sheared(degrees))
    assert figures.shear_deg == pytest.approx(degrees, rel=1e-3)
    assert figures.remarks == remarks


@pytest.mark.parametrize(("moved", "odd"), [(0.0, False), (0.04, False), (0.06, True), (2.0, True)])
def test_qform_beside_sform_is_the_distance_of_a_corner(tmp_path, moved, odd):
    other = LPS.copy()
    other[0, 3] += moved
    scan = nib.Nifti1Image(image(0), LPS)
    scan.set_sform(LPS, 1)
    scan.set_qform(other, 1)
    nib.save(scan, tmp_path / "a_ceT1.nii")
    figures = measure({"case": "a", "image": str(tmp_path / "a_ceT1.nii"), "contrast": "ceT1"}, STRUCTURES)
    assert figures.transforms_mm == pytest.approx(moved, abs=1e-6)
    told = f"qform and sform lie up to {moved:.1f} mm apart: programs differ in which they go by"
    assert figures.remarks == ((told,) if odd else ())  # from a tenth of .5 mm on


def test_a_scan_that_does_not_say_where_it_lies_gets_a_remark(tmp_path):
    scan = nib.Nifti1Image(image(0), None)
    nib.save(scan, tmp_path / "a_ceT1.nii")
    figures = measure({"case": "a", "image": str(tmp_path / "a_ceT1.nii"), "contrast": "ceT1"}, STRUCTURES)
    assert figures.remarks == ("neither qform nor sform: which side is left is a guess",)
    assert math.isnan(figures.transforms_mm)


@pytest.mark.parametrize(("contrast", "remarks"), [("hrT2", 1), ("ceT1", 1), ("MR", 0)])
def test_voxels_thicker_than_the_rules_of_a_contrast_allow_get_a_remark(tmp_path, contrast, remarks):
    found = measured(tmp_path, image(0), np.diag([-0.5, -0.5, 5.5, 1]), contrast=contrast).remarks
    assert found == (f"voxels of up to 5.5 mm, {contrast} has at most 2 mm",) * remarks


def test_volumes_and_pieces_are_those_of_the_labels(tmp_path):
    labels = head_of(TUMOUR, (EARS[0], ((94, 30, 20), 2.7)))
    figures = measured(tmp_path, labels + 1, MM, labels)
    assert figures.right_cochlea_mm3 < figures.left_cochlea_mm3
    assert figures.vs_mm3 == np.count_nonzero(labels == 1)
    right = labels[:60] == 2  # i points to the left
    assert figures.right_cochlea_mm3 == np.count_nonzero(right)
    assert figures.left_cochlea_mm3 == np.count_nonzero(labels[60:] == 2)
    assert (figures.vs_pieces, figures.cochlea_pieces) == (1, 2)
    assert [ndimage.label(labels == value)[1] for value in (1, 2)] == [1, 2]
    assert figures.remarks == ()


@pytest.mark.parametrize(
    ("vs", "cochleae", "remark"),
    [
        ((), EARS, "VS missing (usual 239 to 6,776 mm³)"),
        (TUMOUR, EARS[:1], "left cochlea missing (usual 32 to 92 mm³)"),
        ((((42, 33, 20), 13.0),), EARS, f"VS of {BIG.sum():,} mm³ (usual 239 to 6,776 mm³)"),
        ((*TUMOUR, ((37, 50, 22), 4.0)), EARS, "VS in 2 pieces"),
        ((((60, 10, 20), 6.0),), EARS, "VS 39 mm from the nearest cochlea (usual 4.5 to 25.4)"),  # 34 and 20 mm
        (TUMOUR, (*EARS, ((60, 50, 30), 2.4)), "cochleae in 3 pieces"),
        (TUMOUR, (EARS[0], ((75, 30, 20), 2.4)), "cochleae 50 mm apart (usual 60 to 79), or not level"),
        (TUMOUR, (EARS[0], ((94, 57, 38), 2.4)), "cochleae 76 mm apart (usual 60 to 79), or not level"),
    ],
)
def test_a_label_unlike_those_of_patients_gets_a_remark(tmp_path, vs, cochleae, remark):
    labels = head_of(vs, cochleae)
    assert remark in measured(tmp_path, labels + 1, MM, labels).remarks


def test_a_cochlea_that_a_slice_parts_is_one_piece(tmp_path):
    labels = head_of(TUMOUR, (((25, 30, 20), 4.0), ((94, 30, 20), 2.4)))
    labels[:60, :, 20][labels[:60, :, 20] == 2] = 0
    assert ndimage.label(labels == 2)[1] == 3
    assert measured(tmp_path, labels + 1, MM, labels).cochlea_pieces == 2


def test_an_organ_that_the_structures_do_not_name_is_not_missed(tmp_path):
    labels = head_of(cochleae=EARS) / 2
    files = {"image": tmp_path / "a_ceT1.nii", "label": tmp_path / "a_Label.nii"}
    for key, voxels in (("image", labels + 1), ("label", labels)):
        write_nifti(files[key], voxels, MM)
    case = {"case": "a", "contrast": "ceT1", **{key: str(path) for key, path in files.items()}}
    figures = measure(case, Structures({"cochlea": 1}))
    assert (figures.cochlea_pieces, figures.remarks) == (2, ())
    assert math.isnan(figures.vs_mm3)
    assert math.isnan(figures.vs_pieces)


def test_a_speck_is_no_piece(tmp_path):
    labels = head_of((*TUMOUR, ((60, 50, 30), 1.0)), EARS)  # 7 mm3
    assert measured(tmp_path, labels + 1, MM, labels).vs_pieces == 1


def test_the_content_is_the_same_however_it_is_stored(tmp_path):
    voxels = np.rint(image(0))
    one = content_of(read_volume(write_nifti(tmp_path / "a.nii.gz", voxels)))
    stored = nib.Nifti1Image(voxels.astype(np.int16), LPS)
    turned = stored.as_reoriented([[1, 1], [2, -1], [0, -1]])
    assert turned.shape != stored.shape
    nib.save(turned, tmp_path / "b.nii")
    moved = write_nifti(tmp_path / "c.nii", voxels.astype(np.float64), LPS + np.diag([0, 0, 0.1, 0]))
    assert [content_of(read_volume(path)) for path in (tmp_path / "b.nii", moved)] == [one, one]


def test_the_content_is_another_when_one_voxel_or_the_shape_is(tmp_path):
    voxels = image(0)
    changed, reshaped = voxels.copy(), voxels.reshape(SHAPE[0], SHAPE[2], SHAPE[1])
    changed[3, 4, 5] += 0.5
    paths = [write_nifti(tmp_path / f"{n}.nii", array) for n, array in enumerate((voxels, changed, reshaped))]
    assert len({content_of(read_volume(path)) for path in paths}) == 3
