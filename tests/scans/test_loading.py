"""A path that somebody gives is loaded as MONAI loads it, or refused in one line."""

import numpy as np
import pytest
from files import LPS, MPRAGE, scan, write_nifti, write_series
from monai.transforms import LoadImaged

from tanq_monai.errors import InputError
from tanq_monai.scans.loading import LoadImageCheckedd

READERS = ["PydicomReader", "NibabelReader"]
HR_T2 = ("hrT2", "T2")


def load(path, suffixes=HR_T2, **options):
    return LoadImageCheckedd("image", suffixes, **options)({"image": str(path)})


def plainly(path):
    return LoadImaged("image", reader=READERS)({"image": str(path)})


@pytest.mark.parametrize("name", ["case_hrT2.nii.gz", "case_T2.nii", "case.nii.gz", "tmp7k.nii.gz"])
def test_what_is_loaded_is_what_monai_loads(tmp_path, name):
    path = write_nifti(tmp_path / name, scan())
    loaded, expected = load(path)["image"], plainly(path)["image"]
    assert np.array_equal(loaded, expected)
    assert np.array_equal(loaded.affine, expected.affine)
    assert np.array_equal(loaded.affine, LPS)


def test_it_can_tell_metadata_apart_as_monai_label_asks(tmp_path):
    found = load(write_nifti(tmp_path / "case_hrT2.nii.gz", scan()), image_only=False)
    assert np.array_equal(found["image_meta_dict"]["affine"], LPS)


def test_a_series_of_dicom_is_loaded_too(tmp_path):
    write_series(tmp_path / "series", scan(), [1.5 * number for number in range(6)])
    loaded, expected = (one["image"] for one in (load(tmp_path / "series"), plainly(tmp_path / "series")))
    assert loaded.shape == (12, 10, 6)
    assert np.array_equal(loaded, expected)


@pytest.mark.parametrize("name", ["case_ceT1.nii.gz", "case_Label.nii.gz"])
def test_a_name_of_another_contrast_is_refused(tmp_path, name):
    path = write_nifti(tmp_path / name, scan())
    with pytest.raises(InputError, match=rf"^{path}: is no hrT2 by its name; give hrT2"):
        load(path)


def test_a_series_whose_header_tells_another_contrast_is_refused(tmp_path):
    write_series(tmp_path / "series", scan(), [1.5 * number for number in range(6)], **MPRAGE)
    with pytest.raises(InputError, match=r"series: is no hrT2 by its header"):
        load(tmp_path / "series")


def test_where_several_contrasts_are_asked_for_each_of_them_is_loaded(tmp_path):
    found = load(write_nifti(tmp_path / "case_ceT1.nii.gz", scan()), ("ceT1", *HR_T2))["image"]
    assert np.array_equal(found, scan())


def test_voxels_that_are_no_numbers_are_refused(tmp_path):
    voxels = scan()
    voxels[:2, 0, 0] = np.nan, np.inf
    path = write_nifti(tmp_path / "case.nii.gz", voxels)
    with pytest.raises(InputError, match=rf"^{path}: has 2 NaN or infinite voxels; replace them, e\.g\. by 0$"):
        load(path)


def test_a_stack_of_volumes_is_refused(tmp_path):
    path = write_nifti(tmp_path / "case.nii.gz", np.stack([scan(), scan(1)], axis=-1))
    with pytest.raises(InputError, match=r"case\.nii\.gz: has 4 dimensions"):
        load(path)
