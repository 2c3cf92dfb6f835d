"""Pixels and their units: what a DICOM series says of them, and where pixels of slices are no voxels."""

from pathlib import Path

import numpy as np
import torch
from files import scan, structures, write_nifti, write_series
from monai.data import PydicomReader
from pydicom.dataset import Dataset

from tanq_monai.scans.contrast import failed
from tanq_monai.scans.volume import read_volume
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.slices import SliceSize, SliceStore


def test_columns_lie_as_far_apart_as_a_series_says_and_so_do_rows(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).integers(0, 100, (7, 5, 4))
    write_series(tmp_path / "series", volume, [1.5 * k for k in range(4)], PixelSpacing=[0.8, 0.5])  # rows, columns
    found = read_volume(tmp_path / "series")
    voxels, affine = found.voxels, found.affine
    assert voxels.shape == (7, 5, 4)
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [0.5, 0.8, 1.5])
    reader = PydicomReader()
    array, meta = reader.get_data(reader.read(tmp_path / "series"))
    np.testing.assert_allclose(affine, meta["affine"], atol=1e-5)
    np.testing.assert_array_equal(voxels, array)


def test_voxels_have_the_unit_that_slope_and_intercept_lead_to(tmp_path: Path) -> None:
    volume = np.random.default_rng(1).integers(0, 100, (6, 5, 3))
    write_series(tmp_path / "series", volume, [0.0, 1.5, 3.0], RescaleSlope=2.5, RescaleIntercept=-10)
    voxels = read_volume(tmp_path / "series").voxels
    assert voxels.dtype == np.float32
    np.testing.assert_allclose(voxels, 2.5 * volume - 10)


def test_a_condition_holds_for_all_values_of_an_attribute() -> None:
    header = Dataset()
    header.PixelSpacing = [0.5, 0.9]
    assert failed(header, {"PixelSpacing": {"at_least": 0.5, "at_most": 0.9}}) == []
    assert len(failed(header, {"PixelSpacing": {"at_least": 0.6}})) == 1
    assert len(failed(header, {"PixelSpacing": {"at_most": 0.8}})) == 1


def test_labels_of_pairs_are_those_of_the_unpaired_training_where_pixels_are_no_voxels(tmp_path: Path) -> None:
    case = "crossmoda2021_ldn_301"
    for name, array in (("ceT1", scan(1)), ("hrT2", scan(2)), ("Label", structures())):
        write_nifti(tmp_path / f"{case}_{name}.nii.gz", array)
    size = SliceSize(pixels=16, pixel_mm=0.3, slab_mm=4.5)
    paired = PairStore(find_pairs(tmp_path).cases, size, tmp_path / "slices")
    files = {key: str(tmp_path / f"{case}_{name}.nii.gz") for key, name in (("image", "ceT1"), ("label", "Label"))}
    unpaired = SliceStore([{"case": case} | files], size, tmp_path / "slices")
    assert len(paired) == len(unpaired) == 3
    for number in range(3):
        assert torch.equal(paired[number][1], unpaired[number][1])
    assert set(paired[1][1].unique().tolist()) == {0, 1, 2}
