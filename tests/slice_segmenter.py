"""A segmenter of slices as a training leaves it, small and with random weights."""

import json
from pathlib import Path

import torch

from tanq_monai.scans.raw_dataset import describe_dataset
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.structures import STRUCTURES

SMALL_MODEL = Path(__file__).parent / "small_model"  # of volumes
_LAYERS = {
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "n_stages": 2,
    "features_per_stage": [4, 4],
    "kernel_sizes": [[3, 3], [3, 3]],
    "strides": [[1, 1], [2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
}


def slice_segmenter(folder: Path, pixel_mm: float = 0.5) -> Path:
    """Fill a model folder: the small model's plan on patches of 32 x 32 pixels."""
    folder.mkdir()
    plan = json.loads((SMALL_MODEL / "plans.json").read_text())
    config = plan["configurations"][plan["trained_configuration"]]
    config["architecture"]["arch_kwargs"] |= _LAYERS
    config |= {"spacing": [pixel_mm, pixel_mm], "patch_size": [32, 32]}
    plan |= {"configurations": {"2d": config}, "trained_configuration": "2d"}
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(describe_dataset({}, STRUCTURES)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = network_from_plans(folder / "plans.json", folder / "dataset.json")
    torch.save(network.state_dict(), folder / "model.pt")
    return folder
