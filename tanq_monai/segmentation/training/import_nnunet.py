"""A results folder of nnU-Net v2 becomes a bundle."""

import shutil
from pathlib import Path

import torch

from tanq_monai.choices.config import check_values
from tanq_monai.choices.kinds import Orientation
from tanq_monai.errors import InputError
from tanq_monai.files import aside, write_json
from tanq_monai.scans.grid import STORED
from tanq_monai.segmentation.inference.ensemble import DESCRIPTION, read_ensemble
from tanq_monai.segmentation.plan.plans import (
    MIRROR_AXES,
    ORIENTATION,
    TRAINED,
    network_from_plans,
    read_json,
    read_structures,
)
from tanq_monai.segmentation.training.checkpoints import plain_weights, read_checkpoint
from tanq_monai.segmentation.training.selection import model_name
from tanq_monai.steps import BUNDLES
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.weights import load_weights, saving

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
TEMPLATE = BUNDLES / "vs_cochlea_seg"


def import_nnunet(
    results_dir: str | Path,
    bundle_dir: str | Path,
    structures: Structures = STRUCTURES,
    orientation: str = STORED,
) -> dict[str, Path]:
    """Make a bundle of all folds in ``results_dir``; nothing is written when one of them cannot be used.

    Args:
        results_dir: ``.../DatasetXXX_NAME/TRAINER__PLANS__CONFIGURATION``, with ``plans.json``, ``dataset.json`` and
            ``fold_*/checkpoint_final.pth`` (or ``checkpoint_best.pth``). A postprocessing that nnU-Net chose is not
            taken over: add its labels to ``postprocessing`` in ``ensemble.json``.
        bundle_dir: a new folder: configs and docs of ``vs_cochlea_seg``, and ``models`` with a folder per fold and
            ``ensemble.json``, for ``ensemble.yaml``; each folder is a ``model_dir`` of ``inference.yaml``.
        structures: names and label values that the results must have.
        orientation: where the axes of its training scans pointed, which nnU-Net takes as they are stored and keeps
            nowhere; LPS for left, posterior, superior.

    Returns:
        The checkpoint of every model.

    Raises:
        InputError: when the orientation is none, the folder is none of nnU-Net v2, of another task, a fold has no
            checkpoint, or the bundle is there already.
    """
    results, bundle = Path(results_dir).resolve(), Path(bundle_dir).resolve()
    check_values({"orientation": orientation}, {"orientation": Orientation()})
    if bundle.exists():
        raise InputError(bundle, "is there already", "give a new folder")
    if not TEMPLATE.is_dir():
        raise InputError(TEMPLATE, "is not there", "install tanq-monai again")
    configuration = results.name.rpartition("__")[2]
    _check_labels(results / "dataset.json", structures)
    checkpoints = {path.parent.name.removeprefix("fold_"): path for path in _checkpoints(results)}
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with aside(bundle) as temporary:
        made = temporary / bundle.name
        shutil.copytree(TEMPLATE, made, ignore=shutil.ignore_patterns("models", "runs"))
        for fold, checkpoint in checkpoints.items():
            folder = made / "models" / model_name(configuration, fold)
            _write_model(results, configuration, orientation, checkpoint, folder)
        ensemble = {"groups": [[model_name(configuration, fold) for fold in checkpoints]], "postprocessing": []}
        write_json(ensemble, made / "models" / DESCRIPTION)
        read_ensemble(made / "models")
        made.rename(bundle)
    return {model_name(configuration, fold): checkpoint for fold, checkpoint in checkpoints.items()}


def _check_labels(dataset_file: Path, structures: Structures) -> None:
    labels = read_structures(dataset_file)
    if labels != structures:
        problem = f"is of another task: its labels are {labels}, not {structures}"
        raise InputError(dataset_file, problem, "give --structures as they are there, if they are what you want")


def _checkpoints(results: Path) -> list[Path]:
    folds = sorted(path for path in results.glob("fold_*") if path.is_dir())
    if not folds:
        remedy = "give the folder TRAINER__PLANS__CONFIGURATION of nnU-Net's results"
        raise InputError(results, "holds no fold_*", remedy)
    found = [next((fold / name for name in CHECKPOINTS if (fold / name).is_file()), None) for fold in folds]
    for fold, path in zip(folds, found, strict=True):
        if path is None:
            raise InputError(fold, f"holds no {' or '.join(CHECKPOINTS)}", "finish its training, or take it out")
    return [path for path in found if path is not None]


def _write_model(results: Path, configuration: str, orientation: str, checkpoint_file: Path, folder: Path) -> None:
    """Plan, labels and weights of one fold; the weights must fit the network of the plan."""
    checkpoint = read_checkpoint(checkpoint_file)
    ours = {TRAINED: configuration, ORIENTATION: orientation, MIRROR_AXES: checkpoint.get(MIRROR_AXES)}
    write_json(read_json(results / "plans.json") | ours, folder / "plans.json")
    dataset = read_json(results / "dataset.json")
    write_json({key: value for key, value in dataset.items() if key != "dataset"}, folder / "dataset.json")
    with saving(folder / "model.pt") as stream:
        torch.save(plain_weights(checkpoint), stream)
    load_weights(network_from_plans(folder / "plans.json", folder / "dataset.json"), folder / "model.pt")
