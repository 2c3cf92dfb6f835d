"""nnU-Net's own trainer, set up for one run: the source of batches, network, loss, optimizer and schedule."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nnunetv2
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

from tanq_monai.errors import InputError
from tanq_monai.segmentation.folders import RunFolders
from tanq_monai.segmentation.plans import read_json
from tanq_monai.segmentation.preparation import prepare

Batch = dict[str, Any]
FOLDS = 5


@dataclass(frozen=True)
class Settings:
    """What a user chooses; the defaults are nnU-Net's.

    Args:
        configuration: ``2d`` or ``3d_fullres``.
        fold: 0-4 of nnU-Net's five-fold split, or ``all`` cases.
        max_epochs: length of the poly schedule.
        trainer: one of nnU-Net's own trainers by name, for its optimizer, loss or augmentation.
        learning_rate: at the start.
        foreground_fraction: share of every batch whose patches must hold a structure.
        plans_override: see :func:`tanq_monai.segmentation.preparation.override_plan`.
        num_processes: for planning and preprocessing; 0 = threads.
        num_workers: processes that load and augment; 0 = in the training process.
    """

    configuration: str = "3d_fullres"
    fold: int | str = "all"
    max_epochs: int = 1000
    trainer: str = "nnUNetTrainer"
    learning_rate: float = 0.01
    foreground_fraction: float = 0.33
    plans_override: dict[str, Any] | None = None
    num_processes: int = 2
    num_workers: int = 0


def set_up_nnunet(
    cases: Sequence[dict[str, str]], output_dir: str | Path, settings: Settings, device: torch.device | str
) -> nnUNetTrainer:
    """Plan, preprocess and build what a training needs, with nnU-Net's own code.

    Args:
        cases: dicts with ``image`` and ``label``.
        output_dir: of the run; a finished preparation in it is used again.
        settings: the user's choices.
        device: of the network.

    Raises:
        InputError: when nnU-Net's split has no such fold.
    """
    _check_fold(settings.fold, len(cases))
    folders = RunFolders(output_dir)
    device = torch.device(device)
    prepare(cases, folders, settings.configuration, settings.plans_override, settings.num_processes)
    plans = read_json(folders.plans_file) | {"continue_training": False}
    # Without the paths of the images, which end up in every result folder otherwise.
    dataset = {k: v for k, v in read_json(folders.preprocessed / "dataset.json").items() if k != "dataset"}
    environment = {"nnUNet_n_proc_DA": str(settings.num_workers)}
    if device.type == "cpu":
        environment["nnUNet_compile"] = "f"
    with folders.active(**environment):
        trainer = find_trainer(settings.trainer)(plans, settings.configuration, settings.fold, dataset, device)
        trainer.num_epochs = settings.max_epochs
        trainer.initial_lr = settings.learning_rate
        trainer.oversample_foreground_percent = settings.foreground_fraction
        trainer.initialize()
        trainer.dataloader_train, trainer.dataloader_val = trainer.get_dataloaders()
    return trainer


def find_trainer(name: str) -> type[nnUNetTrainer]:
    """nnU-Net's trainer of that name, which its own commands find again from the checkpoint.

    Raises:
        InputError: when nnU-Net has none of that name.
    """
    folder = Path(nnunetv2.__file__).parent / "training" / "nnUNetTrainer"
    found = recursive_find_python_class(str(folder), name, "nnunetv2.training.nnUNetTrainer")
    if found is None:
        raise InputError(f"trainer {name}", "is not one of nnU-Net's", "see nnunetv2/training/nnUNetTrainer")
    trainer: type[nnUNetTrainer] = found
    return trainer


class EpochLoader:
    """nnU-Net's endless stream of training batches, cut into epochs.

    Args:
        trainer: of :func:`set_up_nnunet`.
        iterations_per_epoch: batches per epoch.
    """

    def __init__(self, trainer: nnUNetTrainer, iterations_per_epoch: int) -> None:
        self.source = trainer.dataloader_train
        self.iterations_per_epoch = iterations_per_epoch

    def __len__(self) -> int:
        return self.iterations_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.iterations_per_epoch):
            yield next(self.source)


def prepare_batch(
    batch: Batch, device: torch.device, non_blocking: bool = False, **_: Any
) -> tuple[torch.Tensor, torch.Tensor | list[torch.Tensor]]:
    """Image (B, 1, [z,] y, x) and one label map per output of deep supervision, or the only one, on ``device``."""
    image, target = batch["data"].to(device, non_blocking=non_blocking), batch["target"]
    if isinstance(target, torch.Tensor):  # trainers without deep supervision
        return image, target.to(device, non_blocking=non_blocking)
    return image, [one.to(device, non_blocking=non_blocking) for one in target]


def finish_loaders(trainer: nnUNetTrainer) -> None:
    """End the processes that load and augment, if there are any, as nnU-Net does after its last epoch."""
    with contextlib.redirect_stdout(None):
        for loader in (trainer.dataloader_train, trainer.dataloader_val):
            if isinstance(loader, NonDetMultiThreadedAugmenter):
                loader._finish()  # it has no public way to end


def training_data(trainer: nnUNetTrainer) -> Any:
    """nnU-Net's data set of the training cases of this fold."""
    with contextlib.redirect_stdout(None):
        return trainer.get_tr_and_val_datasets()[0]


def _check_fold(fold: int | str, num_cases: int) -> None:
    if fold == "all":
        return
    if fold not in range(FOLDS):
        raise InputError("fold", f"{fold!r} is not in nnU-Net's split", f"choose all or 0-{FOLDS - 1}")
    if num_cases < FOLDS:
        problem = f"{fold} of {FOLDS} needs at least {FOLDS} cases, there are {num_cases}"
        raise InputError("fold", problem, "give more cases or choose --fold all")
