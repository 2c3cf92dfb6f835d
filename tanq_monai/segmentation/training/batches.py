"""nnU-Net's batches, each of which follows from the seed, its number and the rank, whichever process makes it."""

import os
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch.utils.data import DataLoader, Dataset

from tanq_monai.orphans import end_with
from tanq_monai.ranks import rank

Batch = dict[str, Any]


class EpochLoader:
    """The batches of nnU-Net's epochs, numbered through all of them.

    nnU-Net, its augmentation and torch draw from three global generators. They are seeded anew for every batch and for
    the step on it: a training that goes on after an epoch needs no state of theirs, and processes that load and augment
    change nothing.

    Args:
        trainer: of :func:`tanq_monai.segmentation.training.nnunet.set_up_nnunet`; its ``current_epoch`` is the one
            that is loaded.
        iterations_per_epoch: batches per epoch.
        num_workers: processes that load and augment; 0 = in the training process.
    """

    def __init__(self, trainer: nnUNetTrainer, iterations_per_epoch: int, num_workers: int = 0) -> None:
        self.trainer = trainer
        self.iterations_per_epoch, self.num_workers = iterations_per_epoch, num_workers

    def __len__(self) -> int:
        return self.iterations_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        first = self.trainer.current_epoch * len(self)
        numbers = range(first, first + len(self))
        batches = _NumberedBatches(self.trainer.dataloader_train, self.trainer.seed)
        loader = DataLoader(
            batches,
            batch_size=None,
            sampler=numbers,
            num_workers=self.num_workers,
            worker_init_fn=partial(end_with, os.getpid()),  # torch's workers first make the batches that are due
        )
        for number, batch in zip(numbers, loader, strict=True):
            seed_draws(self.trainer.seed, number, rank())
            yield batch


class _NumberedBatches(Dataset[Batch]):
    """Batch ``number`` of an endless stream that draws from the global generators."""

    def __init__(self, stream: Iterator[Batch], seed: int) -> None:
        self.stream, self.seed, self.rank = stream, seed, rank()

    def __getitem__(self, number: int) -> Batch:
        seed_draws(self.seed, number, self.rank)
        return next(self.stream)


def seed_draws(seed: int, *place: int) -> None:
    """What Python, NumPy and torch draw from here on follows from the seed and a place, such as step and rank."""
    words = np.random.SeedSequence([seed, *place]).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)  # noqa: NPY002 - nnU-Net draws from the global one
    torch.manual_seed(int(words[0]))


def blur_one_way(transform: BasicTransform) -> None:
    """nnU-Net's blur tries two ways of computing it and takes the faster one, which is not always the same.

    Both blur alike but for rounding. For its kernels of 3 to 7 pixels the direct way, which is taken here, is faster.
    """
    if isinstance(transform, GaussianBlurTransform):
        transform.benchmark = False
    inner = [getattr(transform, "transform", None), *getattr(transform, "transforms", ())]
    for one in (*inner, *getattr(transform, "list_of_transforms", ())):
        if one is not None:
            blur_one_way(one)
