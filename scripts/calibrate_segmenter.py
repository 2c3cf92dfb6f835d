"""Shift a segmenter's logits of VS and cochlea by what gives the best Dice on scans with labels; write the new model.

    python scripts/calibrate_segmenter.py --model-dir MODEL --scans IMAGES --truth LABELS --output-dir OUT

A network that meets scans of other hospitals than it has learnt from is less sure of a tumor, and calls it background.
OUT gets the files of the model, its last biases changed, and calibration.csv: mean Dice of both structures by shift.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import fire
import numpy as np
import pandas as pd
import torch
from monai.bundle import ConfigWorkflow
from torch import Tensor
from tqdm import tqdm

from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.metrics.dice import dice
from tanq_monai.scans.folder import LabelFiles
from tanq_monai.scans.labels import read_labels
from tanq_monai.steps import BUNDLES
from tanq_monai.structures import STRUCTURES
from tanq_monai.trainers.checkpoint import save_atomically
from tanq_monai.weights import read_state_dict

SHIFTS = (-0.5, 0.0, 0.5, 1.0, 1.5)
"""Of both structures at once, which lie apart; each then takes its own best one."""
MODEL_FILES = ("plans.json", "dataset.json")


def calibrate_segmenter(model_dir: str, scans: str, truth: str, output_dir: str) -> None:
    """Segment every scan once, label it with every shift, and take the best one of each structure.

    Args:
        model_dir: folder of a model.
        scans: folder of {case}_hrT2.nii.gz; of patients that nothing is measured on afterwards.
        truth: folder of {case}_Label.nii.gz: 1 VS, 2 cochlea.
        output_dir: gets the model and the table.
    """
    model, root = Path(model_dir).resolve(), check_output_dir(output_dir).resolve()
    table = pd.DataFrame(_scores(model, Path(scans).resolve(), LabelFiles(truth)))
    if table.empty:
        raise InputError(scans, "has no scan whose label is there", "give scans with their labels")
    means = table.groupby(["structure", "shift"])["dice"].mean()
    with renewing(root / "calibration.csv") as temporary:
        means.reset_index().to_csv(temporary, index=False)
    shifts = {name: float(means[name].idxmax()) for name in STRUCTURES}
    for name in MODEL_FILES:
        shutil.copyfile(model / name, root / name)
    save_atomically(shifted(read_state_dict(model / "model.pt"), shifts), root / "model.pt")
    print(means.unstack("shift").round(3).to_string())
    print(", ".join(f"{name} {shift:+g}" for name, shift in shifts.items()))


def shifted(weights: dict[str, Tensor], shifts: dict[str, float]) -> dict[str, Tensor]:
    """The weights of a network of nnU-Net whose logits are larger by the shift of each structure.

    Raises:
        InputError: when no output has one bias for the background and each structure.
    """
    outputs = [name for name in weights if ".seg_layers." in name and name.endswith(".bias")]
    change = _change(shifts)
    if not outputs or any(weights[name].shape != change.shape for name in outputs):
        raise InputError("model.pt", "has no output with one bias for every class", "give a segmenter of nnU-Net's")
    return {name: weight + change if name in outputs else weight for name, weight in weights.items()}


def _change(shifts: dict[str, float]) -> Tensor:
    """Of the logits (K,) of background, VS and cochlea."""
    change = torch.zeros(1 + max(STRUCTURES.values()))
    for name, shift in shifts.items():
        change[STRUCTURES[name]] = shift
    return change


def _scores(model: Path, scans: Path, truths: LabelFiles) -> Iterator[dict[str, str | float]]:
    """Dice of each structure in each scan with each shift."""
    bundle = BUNDLES / "vs_cochlea_seg"
    flow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "inference.yaml"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        workflow_type="inference",
        bundle_root=str(bundle),
        dataset_dir=str(scans),
        model_dir=str(model),
    )
    flow.initialize()
    parts = ("dataset", "network", "inferer", "postprocessing")
    dataset, network, inferer, postprocessing = (flow.parser.get_parsed_content(part) for part in parts)
    to_labels = postprocessing.transforms[:2]  # the third saves
    for case, item in zip(flow.parser.get_parsed_content("scan").cases, tqdm(dataset, unit="scan"), strict=True):
        truth = read_labels(truths.of(case["case"]), set(STRUCTURES.values())).labels
        with torch.inference_mode():
            logits = inferer(item["image"][None], network)[0]
        for shift in SHIFTS:
            change = _change(dict.fromkeys(STRUCTURES, shift))
            data = {"image": item["image"], "pred": logits + change[:, None, None, None]}
            for transform in to_labels:
                data = transform(data)
            for name, value in STRUCTURES.items():
                found = dice(np.asarray(data["pred"][0]) == value, truth == value)
                if not np.isnan(found):
                    yield {"case": case["case"], "structure": name, "shift": shift, "dice": found}


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(calibrate_segmenter)
