import gzip
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.phantom.dataset.nifti import write_nifti
from tanq_monai.phantom.scanner.acquisition import make_grid

GRID = make_grid((6, 5, 37), (0.41, 0.42, 1.5), angles=(2.0, -1.0, 3.0), center=(1.0, -2.0, 30.0))


def noise(dtype: str) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 3000, GRID.shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float64"])
def test_a_file_holds_the_voxels_and_their_type(tmp_path: Path, dtype: str) -> None:
    write_nifti(tmp_path / "a.nii.gz", noise(dtype), GRID.affine)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(image.dataobj, noise(dtype))


def test_a_label_of_bytes_is_stored_as_float64_when_asked(tmp_path: Path) -> None:
    label = np.asfortranarray(noise("int16") % 3).astype(np.uint8)
    write_nifti(tmp_path / "a.nii.gz", label, GRID.affine, dtype=np.float64)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.float64
    np.testing.assert_array_equal(image.dataobj, label)


def test_both_forms_of_the_header_give_the_oblique_affine_in_scanner_coordinates(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", noise("int16"), GRID.affine, "virtual patient; 3D FLASH; TR=11; TE=4.76; FA=20")
    header = nib.load(tmp_path / "a.nii.gz").header
    for affine, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(affine, GRID.affine, rtol=0, atol=1e-5)
    np.testing.assert_allclose(header.get_zooms(), (0.41, 0.42, 1.5), rtol=1e-6)
    assert header.get_xyzt_units() == ("mm", "sec")
    assert header["descrip"].item() == b"virtual patient; 3D FLASH; TR=11; TE=4.76; FA=20"


def test_the_bytes_are_those_of_nibabel_with_the_same_header(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", noise("int16"), GRID.affine)
    image = nib.Nifti1Image(noise("int16"), GRID.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(GRID.affine, "scanner")
    image.set_sform(GRID.affine, "scanner")
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes()) == image.to_bytes()


def test_equal_input_gives_equal_bytes_at_any_time_under_any_name(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", noise("int16"), GRID.affine)
    os.utime(tmp_path / "a.nii.gz", (0, 0))
    write_nifti(tmp_path / "b.nii.gz", noise("int16"), GRID.affine)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.nii.gz", "b.nii.gz"))
    assert first == second
    assert first[4:8] == bytes(4)  # no time in it


def test_a_file_that_could_not_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_nifti(path, noise("int16"), GRID.affine)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="text"):
        write_nifti(path, np.full(GRID.shape, "text"), GRID.affine, dtype=np.int16)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("[!.]*")) == [path]
