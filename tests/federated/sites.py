"""Two virtual hospitals, and a model of theirs to begin with."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from slice_segmenter import slice_segmenter

from tanq_monai.segmentation.plan.plans import network_from_plans

LONDON, TILBURG = "london", "tilburg"
_THREE_STAGES = {
    "n_stages": 3,
    "features_per_stage": [4, 4, 4],
    "kernel_sizes": [[3, 3]] * 3,
    "strides": [[1, 1], [2, 2], [2, 2]],
    "n_conv_per_stage": [1] * 3,
    "n_conv_per_stage_decoder": [1] * 2,
}
_PARTS = {LONDON: "_ldn_", TILBURG: "_etz_"}
ONE_PROCESS = {"num_workers": 0, "device": "cpu", "amp": False}


def small_segmenter(folder: Path) -> Path:
    """A model folder with three stages, fewer than which nnU-Net does not train, and pixels as large as the scans'."""
    slice_segmenter(folder, pixel_mm=1.4)
    files = folder / "plans.json", folder / "dataset.json"
    plan = json.loads(files[0].read_text())
    plan["configurations"]["2d"]["architecture"]["arch_kwargs"] |= _THREE_STAGES
    files[0].write_text(json.dumps(plan))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(network_from_plans(*files).state_dict(), folder / "model.pt")
    return folder


def labelled_scans(phantom: Path, site: str, folder: Path) -> Path:
    """hrT2 and labels of a site's virtual patients, those that hold both structures first, in one folder."""
    folder.mkdir(parents=True)
    for file in sorted((phantom / "training_target").glob(f"*{_PARTS[site]}*")):
        shutil.copy(file, folder)
        label = phantom / "withheld_labels" / "training_target" / file.name.replace("_hrT2", "_Label")
        shutil.copy(label, folder)
    return folder


def site_choices(root: Path, dataset_dir: Path, **others: Any) -> dict[str, Any]:
    """What a site decides, with a folder of its own below ``root``."""
    return {"dataset_dir": str(dataset_dir), "output_dir": str(root / "output"), **ONE_PROCESS, **others}


def write_choices(file: Path, choices: dict[str, Any]) -> None:
    """As a site's people write them."""
    file.write_text(json.dumps(choices))
