"""What tells whether a killed command has left damaged files, and whether it ends as one that nobody disturbed."""

import json
import os
import shutil
import zipfile

import nibabel as nib
import numpy as np
import pytest
import torch
from results_compared import damaged, differences, left_over, same


@pytest.fixture
def results(tmp_path):
    """A folder with a file of every kind that commands leave."""
    folder = tmp_path / "one"
    (folder / "models").mkdir(parents=True)
    torch.save({"w": torch.arange(2000.0)}, folder / "models" / "model.pt")
    curves = {"losses": [np.float64(0.5)], "epoch_start_timestamps": [1.0]}
    torch.save({"network_weights": {"w": torch.ones(2)}, "current_epoch": 3, "logging": curves}, folder / "final.pth")
    voxels = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "scan.nii.gz")
    (folder / "provenance.json").write_text(json.dumps({"date": "today", "choices": {"output_dir": str(folder)}}))
    (folder / "rows.csv").write_text("epoch,loss\n1,0.5\n2,nan\n")
    with zipfile.ZipFile(folder / "bundle.zip", "w") as archive:
        archive.writestr("a", "b" * 1000)
    (folder / ".written.sha256").write_text("1  a\n2  a\n")
    return folder


@pytest.fixture
def copy(results, tmp_path):
    return shutil.copytree(results, tmp_path / "other")


def test_whole_files_are_whole_and_a_copy_is_the_same(results, copy):
    assert damaged(results) == (6, {})
    assert differences(results, copy) == []
    assert left_over(results) == []


@pytest.mark.parametrize("name", ["models/model.pt", "final.pth", "scan.nii.gz", "provenance.json", "bundle.zip"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_file_that_is_cut_off_anywhere_is_damaged_and_another_one(results, copy, name, share):
    os.truncate(copy / name, int(share * (copy / name).stat().st_size))
    assert [*damaged(copy)[1]] == [name]
    assert differences(results, copy) == [f"{name}: is another one"]


def test_what_was_being_written_is_no_result_but_is_left(results, copy):
    (copy / ".scan.writing-12ab.nii.gz").write_bytes(b"half")
    (copy / "models" / ".packaged.writing-12ab").mkdir()
    (copy / "models" / ".packaged.writing-12ab" / "model.pt").write_bytes(b"half")
    (copy / "run.lock").touch()
    assert damaged(copy) == (6, {})
    assert differences(results, copy) == []
    assert left_over(copy) == [".scan.writing-12ab.nii.gz", "models/.packaged.writing-12ab", "run.lock"]


def test_one_bit_of_a_weight_or_voxel_is_told(results, copy):
    weights = torch.arange(2000.0)
    weights[7] = torch.nextafter(weights[7], torch.tensor(8.0))
    torch.save({"w": weights}, copy / "models" / "model.pt")
    image = nib.load(results / "scan.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    voxels[1, 2, 3] = np.nextafter(voxels[1, 2, 3], np.float32(9))
    nib.save(nib.Nifti1Image(voxels, image.affine), copy / "scan.nii.gz")
    assert differences(results, copy) == ["models/model.pt: is another one", "scan.nii.gz: is another one"]


def test_a_file_too_few_or_too_many_is_told(results, copy):
    (copy / "rows.csv").rename(copy / "columns.csv")
    assert differences(results, copy) == ["columns.csv: is there besides", "rows.csv: is not there"]


def test_times_places_and_the_order_of_a_record_are_no_difference(results, copy):
    (copy / "provenance.json").write_text(json.dumps({"date": "never", "choices": {"output_dir": str(copy)}}))
    curves = {"losses": [np.float64(0.5)], "epoch_start_timestamps": [2.0]}
    torch.save({"network_weights": {"w": torch.ones(2)}, "current_epoch": 3, "logging": curves}, copy / "final.pth")
    (copy / ".written.sha256").write_text("2  a\n1  a\n2  a\n")
    (copy / "events.out.tfevents.1.host").write_bytes(b"rows")
    assert differences(results, copy) == []
    (copy / "provenance.json").write_text(json.dumps({"date": "never", "choices": {"output_dir": "elsewhere"}}))
    assert differences(results, copy) == ["provenance.json: is another one"]


def test_values_are_the_same_to_their_type():
    assert same([float("nan"), {"a": np.zeros(2)}], [float("nan"), {"a": np.zeros(2)}])
    assert not same(np.zeros(2), np.zeros(2, dtype=np.float32))
    assert not same(np.zeros(1), -np.zeros(1))
    assert not same(1, True)
