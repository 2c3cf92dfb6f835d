"""Both bundles with the device and the precision that they choose themselves on a machine with a GPU."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from bundle_workflow import workflow

from tanq_monai.networks import TanqGenerator
from tanq_monai.segmentation.plan.plans import network_from_plans

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

TRANSLATOR = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2}
TRANSLATOR_TRAINING = TRANSLATOR | {"start_from": None, "crop": 32, "slab_mm": 12.0, "max_epochs": 1, "batch_size": 2}
SEGMENTER_TRAINING = {
    "configuration": "2d",
    "max_epochs": 1,
    "iterations_per_epoch": 2,
    "num_processes": 0,
    "plans_override": {"batch_size": 2, "patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
}


@pytest.fixture(scope="module")
def translator(tiny_phantom, tmp_path_factory):
    """A run of one epoch, and its workflow."""
    run = tmp_path_factory.mktemp("translator")
    folders = {"dataset_dir": str(tiny_phantom), "output_dir": str(run)}
    flow = workflow("tanq_translation", "train", **folders, **TRANSLATOR_TRAINING)
    flow.run()
    return run, flow


@pytest.fixture(scope="module")
def segmenter(tiny_phantom, tmp_path_factory):
    """A run of one epoch, and its workflow. Uncompiled: to compile takes longer than the epoch."""
    run = tmp_path_factory.mktemp("segmenter")
    source = str(tiny_phantom / "training_source")
    folders = {"dataset_dir": source, "label_dir": source, "output_dir": str(run)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_compile", "false")
        flow = workflow("vs_cochlea_seg", "train", **folders, **SEGMENTER_TRAINING)
        flow.run()
    return run, flow


def test_the_translator_trains_on_the_gpu_in_bfloat16_and_its_losses_stay_finite(translator):
    run, flow = translator
    trainer = flow.trainer
    assert torch.device(trainer.state.device).type == "cuda"
    assert trainer.autocast._enabled
    assert trainer.autocast.fast_dtype == torch.bfloat16
    assert all(weights.is_cuda for weights in trainer.network.parameters())
    assert np.isfinite(pd.read_csv(run / "history.csv").to_numpy()).all()


def test_the_translators_file_of_weights_is_read_without_a_gpu(translator):
    weights = torch.load(translator[0] / "models" / "model.pt", weights_only=True, map_location="cpu")
    assert all(values.isfinite().all() for values in weights.values() if values.is_floating_point())
    TanqGenerator(width=4, blocks=2).load_state_dict(weights)


def test_translations_from_the_gpu_are_those_of_the_cpu(translator, tiny_phantom, tmp_path):
    folders = {"dataset_dir": str(tiny_phantom / "training_source"), "slab_mm": 12.0}
    folders["model_file"] = str(translator[0] / "models" / "model.pt")
    on_gpu = workflow("tanq_translation", "inference", output_dir=str(tmp_path / "gpu"), **folders, **TRANSLATOR)
    on_gpu.run()
    cpu = {"device": "cpu"}
    workflow("tanq_translation", "inference", output_dir=str(tmp_path / "cpu"), **folders, **TRANSLATOR, **cpu).run()
    evaluator = on_gpu.evaluator
    assert torch.device(evaluator.state.device).type == "cuda"
    assert evaluator.amp
    names = sorted(path.name for path in (tmp_path / "cpu").glob("[!.]*.nii.gz"))
    assert len(names) == 4
    for name in names:
        gpu, expected = (nib.load(tmp_path / folder / name).get_fdata() for folder in ("gpu", "cpu"))
        assert np.isfinite(gpu).all()
        # bfloat16 keeps 8 bits: each of some 20 layers rounds by 0.004, at random. Another slice differs by more.
        assert np.abs(gpu - expected)[expected > 0].mean() < 0.05


def test_the_segmenter_trains_on_the_gpu_and_its_weights_are_finite(segmenter):
    run, flow = segmenter
    assert torch.device(flow.trainer.state.device).type == "cuda"
    assert all(weights.is_cuda for weights in flow.trainer.nnunet.network.parameters())
    models = run / "models"
    weights = torch.load(models / "model.pt", weights_only=True, map_location="cpu")
    assert all(values.isfinite().all() for values in weights.values() if values.is_floating_point())
    network_from_plans(models / "plans.json", models / "dataset.json").load_state_dict(weights)


def test_labels_from_the_gpu_lie_on_the_grid_of_their_scans(segmenter, tiny_phantom, tmp_path):
    folders = {"dataset_dir": str(tiny_phantom / "validation"), "model_dir": str(segmenter[0] / "models")}
    flow = workflow("vs_cochlea_seg", "inference", output_dir=str(tmp_path), **folders)
    flow.run()
    assert torch.device(flow.evaluator.state.device).type == "cuda"
    scans = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    assert len(scans) == 2
    for scan in scans:
        label = nib.load(tmp_path / scan.name.replace("hrT2", "Label"))
        assert label.shape == nib.load(scan).shape
        assert set(np.unique(label.dataobj)) <= {0, 1, 2}
