"""Shares stored as bytes."""

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from tanq_monai.scans.writer import ShareWriter


def test_shares_come_back_to_half_a_step_on_the_grid_they_had(tmp_path):
    affine = np.diag([-0.5, -0.6, 1.5, 1])
    shares = np.linspace(0, 1, 60, dtype=np.float32).reshape(1, 3, 4, 5)
    volume = MetaTensor(torch.from_numpy(shares), affine=torch.from_numpy(affine))
    volume.meta["filename_or_obj"] = "case.nii.gz"
    SaveImage(tmp_path, "Share", writer=ShareWriter, resample=False, separate_folder=False, print_log=False)(volume)
    stored = nib.load(tmp_path / "case_Share.nii.gz")
    assert stored.get_data_dtype() == np.uint8
    np.testing.assert_allclose(stored.get_fdata(), shares[0], atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(stored.affine, affine)
    assert stored.header.get_xyzt_units()[0] == "mm"
