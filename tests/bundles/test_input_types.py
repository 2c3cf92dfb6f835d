"""Scans as scanners and converters store them, through the translation bundle."""

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import workflow

from tanq_monai.networks import TanqGenerator

TYPES = ["int16", "uint16", "float32", "float64", ">i2"]


@pytest.fixture(scope="module")
def translated(tiny_phantom, tmp_path_factory):
    """Folders of the same scan, not square, stored in several types, and of their translations."""
    scans, output = tmp_path_factory.mktemp("types"), tmp_path_factory.mktemp("pseudo")
    image = nib.load(next((tiny_phantom / "training_source").glob("*ldn_1_ceT1.nii.gz")))
    label = nib.load(next((tiny_phantom / "training_source").glob("*ldn_1_Label.nii.gz")))
    part = np.s_[3:76, 9:70]
    integers = np.rint(image.get_fdata()[part]).clip(0, 32767)
    for name in TYPES:
        case = f"case{TYPES.index(name)}_ldn"
        header = nib.Nifti1Header(endianness=">" if name.startswith(">") else "<")
        stored = nib.Nifti1Image(integers.astype(name), image.affine, header, dtype=name)
        nib.save(stored, scans / f"{case}_ceT1.nii.gz")
        nib.save(nib.Nifti1Image(np.asarray(label.dataobj)[part], image.affine), scans / f"{case}_Label.nii.gz")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(TanqGenerator(width=4, blocks=2).state_dict(), output / "model.pt")
    small = {"pixels": 64, "pixel_mm": 1.4, "slab_mm": 12.0, "width": 4, "blocks": 2}
    folders = {"dataset_dir": str(scans), "output_dir": str(output), "model_file": str(output / "model.pt")}
    workflow("tanq_translation", "inference", device="$torch.device('cpu')", **small, **folders).run()
    return scans, output


def test_a_scan_is_translated_alike_in_whatever_type_it_is_stored(translated):
    scans, output = translated
    first, *others = (np.asarray(nib.load(path).dataobj) for path in sorted(output.glob("*_hrT2.nii.gz")))
    assert len(others) == len(TYPES) - 1
    assert 0 <= first.min() < first.max() <= 1
    for other in others:
        assert np.array_equal(other, first)
    stored = [nib.load(path).get_data_dtype() for path in sorted(scans.glob("*_ceT1.nii.gz"))]
    assert stored == [np.dtype(name) for name in TYPES]


def test_a_volume_that_is_not_square_comes_back_on_its_grid(translated):
    scans, output = translated
    scan, pseudo = nib.load(scans / "case0_ldn_ceT1.nii.gz"), nib.load(output / "case0_ldn_hrT2.nii.gz")
    assert pseudo.shape == scan.shape
    assert scan.shape[0] != scan.shape[1]
    assert np.allclose(pseudo.affine, scan.affine, atol=1e-4)
    inside = nib.load(scans / "case0_ldn_Label.nii.gz").get_fdata() > 0
    assert (pseudo.get_fdata()[inside] > 0).mean() > 0.99
