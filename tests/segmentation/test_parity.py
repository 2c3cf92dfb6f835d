"""The same weights through nnU-Net's predictor and through our MONAI chain."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from tanq_monai.segmentation.inferer import PlanInferer
from tanq_monai.segmentation.plans import network_from_plans, patch_size_from_plans, space_from_plans
from tanq_monai.transforms.nnunet import FromPlanSpaced, ToPlanSpaced

MODELS = Path(__file__).parents[2] / "bundles" / "vs_cochlea_seg" / "models"
PLANS, DATASET = MODELS / "plans.json", MODELS / "dataset.json"


@pytest.fixture
def float32_sums(monkeypatch):
    """nnU-Net adds logits up in float16, which alone is worth 0.01."""
    monkeypatch.setattr(torch, "half", torch.float32)
    monkeypatch.setattr(
        predict_from_raw_data,
        "compute_gaussian",
        lambda *args, **kwargs: compute_gaussian(*args, **kwargs, dtype=torch.float16).float(),
    )


def lively_network(configuration):
    """Random weights whose logits spread over several units, so that all classes occur."""
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    network = network_from_plans(PLANS, DATASET, configuration).eval()
    torch.random.set_rng_state(torch_state)
    with torch.no_grad():
        network.decoder.seg_layers[-1].weight *= 10
    return network


def oblique_copy(image, folder):
    """The same voxels with 1.1 x 0.7 x 3.4 mm, turned by 12, -20 and 7 degrees, odd in size."""
    angles = np.deg2rad([12, -20, 7])
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [k for k in range(3) if k != axis]
        one = np.eye(3)
        one[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = turn @ one
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn @ np.diag([-1.1, -0.7, 3.4]), [40, -30, 7]
    path = folder / "crossmoda2021_ldn_900_hrT2.nii.gz"
    nib.save(nib.Nifti1Image(nib.load(image).get_fdata(dtype=np.float32)[:73, 5:70, :11], affine), path)
    return path


def ours(image, network, configuration):
    space = space_from_plans(PLANS, configuration)
    load = Compose([LoadImaged("image"), EnsureChannelFirstd("image"), ToPlanSpaced("image", space)])
    item = load({"image": str(image)})
    with torch.no_grad():
        logits = PlanInferer(patch_size_from_plans(PLANS, configuration))(item["image"][None], network)[0]
    return logits, np.asarray(FromPlanSpaced("pred", space)({"pred": logits, "image": item["image"]})["pred"][0])


def nnunets(image, network, configuration):
    plans = PlansManager(json.loads(PLANS.read_text()))
    config = plans.get_configuration(configuration)
    dataset = json.loads(DATASET.read_text())
    predictor = predict_from_raw_data.nnUNetPredictor(
        use_mirroring=False, device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False
    )
    predictor.manual_initialization(network, plans, config, [network.state_dict()], dataset, "nnUNetTrainer", None)
    data, properties = NibabelIO().read_images([str(image)])
    preprocessor = config.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case_npy(data, None, properties, plans, config, dataset)
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
    label = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, plans, config, plans.get_label_manager(dataset), properties, num_threads_torch=1
    )
    return logits, label.transpose(2, 1, 0)


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("grid", ["straight", "oblique"])
def test_logits_and_labels_equal_those_of_nnunets_predictor(tiny_phantom, tmp_path, float32_sums, configuration, grid):
    image = next((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    if grid == "oblique":
        image = oblique_copy(image, tmp_path)
    network = lively_network(configuration)
    logits, label = ours(image, network, configuration)
    expected_logits, expected_label = nnunets(image, network, configuration)
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=1e-3)
    for structure in (1, 2):
        found, expected = label == structure, expected_label == structure
        assert expected.sum() > 100
        assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.999
