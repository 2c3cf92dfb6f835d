"""Where a result lies: where any program finds the scan."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from files import LPS, SHAPE, scan

from tanq_monai.errors import InputError
from tanq_monai.scans.grid import in_scanner
from tanq_monai.scans.volume import read_grid


def two_transforms():
    """As after a registration that was written into one of them."""
    image = nib.Nifti1Image(scan(), LPS)
    moved = LPS.copy()
    moved[0, 3] = 20
    image.set_qform(moved, code=1)
    image.set_sform(LPS, code=2)
    return image


def no_transform():
    image = nib.Nifti1Image(scan(), None)
    image.header.set_zooms((0.5, 0.5, 1.5))
    image.header["qform_code"] = image.header["sform_code"] = 0
    return image


def qform_alone():
    image = nib.Nifti1Image(scan(), None)
    image.set_qform(LPS, code=3)
    image.header["sform_code"] = 0
    return image


def sform_alone():
    image = nib.Nifti1Image(scan(), LPS)
    image.header["qform_code"] = 0
    return image


def two_spacings():
    image = nib.Nifti1Image(scan(), LPS)
    image.set_qform(LPS @ np.diag([1, 1, 2, 1]), code=1)
    image.set_sform(LPS, code=1)
    return image


def corners(path):
    image = sitk.ReadImage(str(path))
    ends = [(0, 0, 0), [n - 1 for n in image.GetSize()]]
    return np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])


@pytest.mark.parametrize("made", [two_transforms, two_spacings, no_transform, qform_alone, sform_alone])
def test_a_result_lies_on_its_scan_to_nibabel_and_to_itk_and_has_its_codes(tmp_path, made):
    nib.save(made(), tmp_path / "a_hrT2.nii.gz")
    read_grid(tmp_path / "a_hrT2.nii.gz").save(np.ones(SHAPE, np.uint8), tmp_path / "a_Label.nii.gz")
    image, label = (nib.load(tmp_path / f"a_{name}.nii.gz") for name in ("hrT2", "Label"))
    np.testing.assert_allclose(label.affine, image.affine, atol=1e-6)
    np.testing.assert_allclose(corners(tmp_path / "a_Label.nii.gz"), corners(tmp_path / "a_hrT2.nii.gz"), atol=1e-5)
    for code in ("qform_code", "sform_code"):
        assert label.header[code] == image.header[code]
    np.testing.assert_allclose(label.header.get_zooms(), image.header.get_zooms())


def test_a_result_of_one_slice_has_three_dimensions(tmp_path):
    in_scanner((4, 5, 1), LPS).save(np.ones((4, 5, 1), np.uint8), tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").shape == (4, 5, 1)


@pytest.mark.parametrize(("shift", "same"), [(0.04, True), (0.06, False)])
def test_two_grids_are_one_to_a_tenth_of_the_smallest_edge(tmp_path, shift, same):
    moved = LPS.copy()
    moved[2, 3] += shift
    one, other = in_scanner(SHAPE, LPS), in_scanner(SHAPE, moved)
    assert one.is_same(other) is same
    if not same:
        with pytest.raises(InputError, match=r"x: lies up to 0\.06 mm beside its scan"):
            one.check_same(other, "x", "its scan")


def test_an_array_that_is_turned_stays_where_it_is():
    array = scan()
    turned, grid = in_scanner(SHAPE, LPS).turned(array, "SAR")
    assert grid.orientation == "SAR"
    for index in [(0, 0, 0), (3, 1, 5), (11, 9, 2)]:
        found = np.linalg.solve(grid.affine, LPS @ [*index, 1])[:3]
        assert turned[tuple(np.rint(found).astype(int))] == array[index]
