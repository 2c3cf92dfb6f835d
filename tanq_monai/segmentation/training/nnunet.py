"""nnU-Net's own trainer, set up for one run: the source of batches, network, loss, optimizer and schedule."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import nnunetv2
import torch
from monai.data import Dataset
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as nnunet_module
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
from torch import distributed as dist

from tanq_monai.errors import InputError
from tanq_monai.ranks import first_rank_first, rank, share_first_weights
from tanq_monai.scans.raw_dataset import identifier
from tanq_monai.segmentation.plan.plans import check_model_folder, check_same_labels, read_json
from tanq_monai.segmentation.training.appearance import draw_appearance
from tanq_monai.segmentation.training.batches import Batch, blur_one_way, seed_draws
from tanq_monai.segmentation.training.checkpoints import unwrapped
from tanq_monai.segmentation.training.cpu import suit_cpu
from tanq_monai.segmentation.training.feature_statistics import draw_statistics
from tanq_monai.segmentation.training.folders import RunFolders
from tanq_monai.segmentation.training.levels import draw_levels
from tanq_monai.segmentation.training.patches import our_patches
from tanq_monai.segmentation.training.preparation import (
    FOLDS,
    Case,
    PlanWish,
    count_patients,
    prepare,
    processes_or_threads,
)
from tanq_monai.segmentation.training.training_cases import real_scans
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.weights import load_weights


@dataclass(frozen=True)
class Settings:
    """What a user chooses; the defaults are nnU-Net's, but for the paper's batch size.

    Args:
        configuration: ``2d`` or ``3d_fullres``.
        fold: 0-4 of nnU-Net's five-fold split, drawn over patients, or ``all`` cases.
        max_epochs: length of the poly schedule.
        trainer: one of nnU-Net's own trainers by name, for its optimizer, loss or augmentation.
        learning_rate: at the start.
        foreground_fraction: share of every batch whose patches must hold a structure.
        appearance: share of the patches that are seen through random filters.
        feature_statistics: share of the patches in which the first stages' channels get drawn means and deviations.
        level_ranges: by protocol, of which every patch gets levels: lowest and highest of structures by name; or None.
        batch_size: of all ranks together; None: nnU-Net's own.
        plans_override: see :func:`tanq_monai.segmentation.plan.overrides.override_plan`.
        initial_model: a model folder whose plan is taken and whose weights are the first ones.
        structures: names and label values.
        num_processes: for planning, preprocessing and validation; 0 = threads.
        seed: of the first weights and of every batch.
    """

    configuration: str = "3d_fullres"
    fold: int | str = "all"
    max_epochs: int = 1000
    trainer: str = "nnUNetTrainer"
    learning_rate: float = 0.01
    foreground_fraction: float = 0.33
    appearance: float = 0.0
    feature_statistics: float = 0.0
    level_ranges: Sequence[Mapping[str, Sequence[float]]] | None = None
    batch_size: int | None = 8
    plans_override: dict[str, Any] | None = None
    initial_model: str | None = None
    structures: Structures = STRUCTURES
    num_processes: int = 2
    seed: int = 0

    @property
    def plan(self) -> PlanWish:
        """What of it concerns the plan."""
        plans_file = None if self.initial_model is None else Path(self.initial_model) / "plans.json"
        return PlanWish(self.configuration, self.batch_size, self.plans_override, plans_file, self.structures)


def set_up_nnunet(
    cases: Sequence[Case], output_dir: str | Path, settings: Settings, device: torch.device | str
) -> nnUNetTrainer:
    """Plan, preprocess and build what a training needs, with nnU-Net's own code.

    As one of several ranks, it gets a share of every batch; averaging the gradients is left to the caller.

    Args:
        cases: dicts with ``image`` and ``label``; ``patient``, whose scan it is.
        output_dir: of the run; a finished preparation in it is used again.
        settings: the user's choices.
        device: of the network.

    Raises:
        InputError: when nnU-Net's split has no such fold, there is no such initial model or one of other labels, or
            label maps of the model would be taken for others.
    """
    _check_fold(settings.fold, count_patients(cases))
    settings.structures.check_order("structures")
    if settings.initial_model is not None:
        check_model_folder(settings.initial_model)
        check_same_labels(Path(settings.initial_model) / "dataset.json", settings.structures)
    trainer_class = find_trainer(settings.trainer)
    folders = RunFolders(output_dir)
    device = torch.device(device)
    with first_rank_first():
        prepare(cases, folders, settings.plan, settings.num_processes)
    plans = read_json(folders.plans_file) | {"continue_training": False}
    # Without the paths of the images, which end up in every result folder otherwise.
    dataset = {k: v for k, v in read_json(folders.preprocessed / "dataset.json").items() if k != "dataset"}
    environment = {"nnUNet_n_proc_DA": "0"}  # processes that load are the business of EpochLoader
    if device.type == "cpu":
        environment["nnUNet_compile"] = "f"
    with folders.active(**environment), our_patches():
        with mock.patch.object(dist, "is_initialized", lambda: False):  # nnU-Net's own ranks want CUDA
            trainer = trainer_class(plans, settings.configuration, settings.fold, dataset, device)
        trainer.device = device  # nnU-Net takes the first GPU
        trainer.num_epochs = settings.max_epochs
        trainer.initial_lr = settings.learning_rate
        trainer.oversample_foreground_percent = settings.foreground_fraction
        trainer.seed = trainer.my_init_kwargs["seed"] = settings.seed  # which its checkpoints keep
        seed_draws(settings.seed)
        trainer.initialize()
        if device.type == "cpu":
            suit_cpu(trainer.network, trainer.optimizer)
        _share_batches(trainer)
        trainer.dataloader_train, trainer.dataloader_val = trainer.get_dataloaders()
        blur_one_way(trainer.dataloader_train.data_loader.transforms)
        draw_appearance(trainer.dataloader_train.data_loader.transforms, settings.appearance)
        patches, real = trainer.dataloader_train.data_loader, real_scans(cases)
        draw_levels(patches, settings.level_ranges, settings.structures, real)
    if settings.initial_model is not None:
        load_weights(unwrapped(trainer.network), Path(settings.initial_model) / "model.pt")
    draw_statistics(unwrapped(trainer.network), settings.feature_statistics)
    share_first_weights(trainer.network)
    return trainer


def validate(trainer: nnUNetTrainer, num_processes: int) -> None:
    """nnU-Net's validation of a fold: labels, probabilities and ``summary.json`` in ``fold_{f}/validation``."""
    workers = mock.patch.object(nnunet_module, "default_num_processes", max(1, num_processes))
    with contextlib.redirect_stdout(None), processes_or_threads(num_processes), workers:
        trainer.perform_actual_validation(save_probabilities=True)


def find_trainer(name: str) -> type[nnUNetTrainer]:
    """nnU-Net's trainer of that name, which its own commands find again from the checkpoint.

    Raises:
        InputError: when nnU-Net has none of that name.
    """
    folder = Path(nnunetv2.__file__).parent / "training" / "nnUNetTrainer"
    found = recursive_find_python_class(str(folder), name, "nnunetv2.training.nnUNetTrainer")
    if not (isinstance(found, type) and issubclass(found, nnUNetTrainer)):  # any name in a module of theirs is found
        raise InputError(f"trainer {name}", "is not one of nnU-Net's", "see nnunetv2/training/nnUNetTrainer")
    return found


def prepare_batch(
    batch: Batch, device: torch.device, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor | list[torch.Tensor]]:
    """Image (B, 1, [z,] y, x) and one label map per output of deep supervision, or the only one, on ``device``."""
    image, target = batch["data"].to(device, non_blocking=non_blocking), batch["target"]
    if isinstance(target, torch.Tensor):  # trainers without deep supervision
        return image, target.to(device, non_blocking=non_blocking)
    return image, [one.to(device, non_blocking=non_blocking) for one in target]


def training_data(data: Sequence[Case], trainer: nnUNetTrainer) -> Dataset:
    """The cases in ``data`` that this fold trains on, as files: nnU-Net's loaders read what it made of them."""
    with contextlib.redirect_stdout(None):
        names = set(trainer.get_tr_and_val_datasets()[0].identifiers)
    return Dataset([case for case in data if identifier(case) in names])


def _check_fold(fold: int | str, num_patients: int) -> None:
    if fold == "all":
        return
    if fold not in range(FOLDS):
        raise InputError("fold", f"{fold!r} is not in nnU-Net's split", f"choose all or 0-{FOLDS - 1}")
    if num_patients < FOLDS:
        problem = f"{fold} of {FOLDS} needs at least {FOLDS} patients, there are {num_patients}"
        raise InputError("fold", problem, "give more patients or choose --fold all")


def _share_batches(trainer: nnUNetTrainer) -> None:
    """As one of several ranks: a part of the batch, and Dice over the whole batch where the plan wants that."""
    if not dist.is_initialized():
        return
    if trainer.configuration_manager.batch_size < dist.get_world_size():
        problem = f"{trainer.configuration_manager.batch_size} is less than the {dist.get_world_size()} processes"
        raise InputError("batch_size", problem, "choose a larger one, or start fewer processes")
    trainer.is_ddp, trainer.local_rank = True, rank()
    trainer._set_batch_size_and_oversample()
    trainer.loss = trainer._build_loss()
    trainer.is_ddp = False  # else it looks for torch's wrapper round the network
