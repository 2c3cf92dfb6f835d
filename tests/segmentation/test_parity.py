"""The same weights through nnU-Net's predictor and through our MONAI chain."""

import nibabel as nib
import numpy as np
import pytest
import torch
from made_up_models import let_nnunet_add_in_float32, nnunet_predicts, rotation, write_model, write_nnunet_results
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from shared_data import shared_data_folder

from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.plan.plans import (
    mirror_axes_from_plans,
    network_from_plans,
    patch_size_from_plans,
    space_from_plans,
)
from tanq_monai.segmentation.plan.transforms import FromPlanSpaced, ToPlanSpaced
from tanq_monai.weights import load_weights


def dice(found, expected):
    """Of two masks; two empty ones are equal."""
    both = found.sum() + expected.sum()
    return 2 * (found & expected).sum() / both if both else 1.0


def part_of_phantom(image, folder):
    """A part that is not a whole number of windows."""
    path = folder / "crossmoda2021_ldn_901_hrT2.nii.gz"
    nib.save(nib.load(image).slicer[20:71, 15:68, :9], path)
    return path


def oblique_phantom(image, folder):
    """The same voxels with 1.1 x 0.7 x 3.4 mm, turned by 12, -20 and 7 degrees, odd in size."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation([12, -20, 7]) @ np.diag([-1.1, -0.7, 3.4]), [40, -30, 7]
    path = folder / "crossmoda2021_ldn_900_hrT2.nii.gz"
    nib.save(nib.Nifti1Image(nib.load(image).get_fdata(dtype=np.float32)[:73, 5:70, :7], affine), path)
    return path


def real_head(folder):
    """60 x 56 x 6 voxels from the middle of a real T2 scan with an oblique affine, stored as a training's scans are."""
    path = folder / "head_T2.nii.gz"
    scan = read_volume(shared_data_folder("tcga_fg_6692") / "t2.nii.gz")
    voxels, grid = scan.grid.turned(scan.voxels, "LPS")
    nib.save(nib.Nifti1Image(voxels, grid.affine).slicer[80:140, 100:156, 10:16], path)
    return path


def ours(image, model, mirror):
    plans = model / "plans.json"
    space, network = space_from_plans(plans), network_from_plans(plans, model / "dataset.json").eval()
    load_weights(network, model / "model.pt")
    load = Compose([LoadImaged("image"), EnsureChannelFirstd("image"), ToPlanSpaced("image", space)])
    item = load({"image": str(image)})
    inferer = PlanInferer(patch_size_from_plans(plans), mirror_axes=mirror_axes_from_plans(plans) if mirror else ())
    with torch.no_grad():
        logits = inferer(item["image"][None], network)[0]
    return logits, np.asarray(FromPlanSpaced("pred", space)({"pred": logits, "image": item["image"]})["pred"][0])


@pytest.mark.parametrize(
    ("grid", "mirror"), [("straight", True), ("straight", False), ("oblique", False), ("real head", False)]
)
@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
def test_logits_and_labels_equal_those_of_nnunets_predictor(
    tiny_phantom, tmp_path, monkeypatch, configuration, grid, mirror
):
    image = next((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    if grid == "real head":
        image = real_head(tmp_path)
    else:
        image = (oblique_phantom if grid == "oblique" else part_of_phantom)(image, tmp_path)
    let_nnunet_add_in_float32(monkeypatch)
    model = write_model(tmp_path / "model", configuration)
    results = write_nnunet_results(tmp_path / "results", [model])
    logits, label = ours(image, model, mirror)
    expected_logits = nnunet_predicts(results, image, tmp_path / "expected", mirror)
    expected = np.asarray(nib.load(tmp_path / "expected.nii.gz").dataobj)
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-3)
    assert set(np.unique(expected)) == {0, 1, 2}
    for structure in (1, 2):
        assert dice(label == structure, expected == structure) > 0.999
