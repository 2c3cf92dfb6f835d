"""How large an adaptation is: what of the bundles' choices differs from their defaults, which are the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tanq_monai.errors import InputError
from tanq_monai.steps import BUNDLES

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Settings:
    """One size.

    Attributes:
        slices: choices that training and use of the translators share.
        looks: ``styles`` of hrT2, as TANQ takes them, and what else its training is told of them. Those of the
            phantom: scans of one's own have others.
        tanq: further choices of its training.
        cyclegan: further choices of its training, and of that of the translator by exemplars, which no size uses.
        segmenter: choices of ``train.yaml`` for every segmenter.
        self_training: choices of ``self_training.yaml`` besides.
        views: of the translations; ``signal`` needs no training; none: no ceT1 is translated.
        rehearsal: virtual patients of many hospitals that are learnt in place of translations.
        ears_first: of the last segmentation; a training of minutes misses cochleae, and all would be taken away.
        phantom_size: of virtual patients that suit it, of :func:`~tanq_monai.phantom.dataset.folder.write_dataset`.
        phantom_protocols: how they are scanned.
        phantom_scans: ceT1 with labels, hrT2 without, test hrT2.
    """

    slices: Choices = field(default_factory=dict)
    looks: Choices = field(default_factory=dict)
    tanq: Choices = field(default_factory=dict)
    cyclegan: Choices = field(default_factory=dict)
    segmenter: Choices = field(default_factory=dict)
    self_training: Choices = field(default_factory=dict)
    views: tuple[str, ...] = ("tanq", "cyclegan")
    rehearsal: int = 0
    ears_first: bool = True
    phantom_size: str = "full"
    phantom_protocols: str = "sites"
    phantom_scans: tuple[int, int, int] = (210, 210, 64)


# In trainings of minutes nnU-Net's SGD does not yet find the cochlea; its own Adam variant does.
SEGMENTER = {
    "trainer": "nnUNetTrainerAdam",
    "learning_rate": 0.001,
    "foreground_fraction": 0.5,
    "num_processes": 0,
    "num_workers": 1,  # augmentation takes a fifth of a step of networks so small
}

# London's hrT2 is CISS or TSE with restore, Tilburg's a TSE: other levels of VS and cochlea, by the signal equations.
PHANTOM_LOOKS = {
    "styles": ["ldn", "etz"],
    "level_ranges": [{"VS": [0.26, 0.59], "cochlea": [0.30, 1.00]}, {"VS": [0.39, 0.44], "cochlea": [0.45, 1.00]}],
    "weights#levels": 20.0,  # not the paper's: see docs/method.md. What it is worth here was not measured.
}

# One model per round: five folds in two configurations want a GPU.
SELF_TRAINING = {"configurations": {"2d": {}}, "folds": ["all"]}

PAPER, QUICK, TRIALS = "paper", "quick", ("tiny", "small")
SHIPPED = str(BUNDLES / "vs_cochlea_seg" / "models")
SIZES = {
    PAPER: Settings(tanq={"start_from": None}),
    # The shipped segmenter labels hrT2, and learns on from the labels that can be true, beside virtual patients such as
    # it was trained on, so that it forgets none: minutes. ceT1 has no part in it: translated by the signal equations it
    # cost a quarter of the VS (docs/adapt.md).
    QUICK: Settings(
        segmenter=SEGMENTER
        | {
            "initial_model": SHIPPED,
            "learning_rate": 0.0003,  # a third, so that few scans do not undo what was learnt from many; for the same
            "initial_share": 0.5,  # reason half of the weights stay as they were: what it is worth is in docs/adapt.md
            "max_epochs": 6,
            "iterations_per_epoch": 100,
            "batch_size": 4,
            "suffixes": ["hrT2"],
        },
        self_training=SELF_TRAINING | {"rounds": 1, "first_ensemble": SHIPPED},
        views=(),
        rehearsal=20,
    ),
    # Slabs are as high as the phantom's hrT2 scans, so that the translator has seen all that it translates.
    "tiny": Settings(
        slices={"pixels": 80, "pixel_mm": 1.4, "slab_mm": 32.0, "width": 8},
        looks=PHANTOM_LOOKS,
        tanq={"start_from": None, "crop": 64, "max_epochs": 20, "batch_size": 2},
        cyclegan={"crop": 64, "max_epochs": 10, "batch_size": 2},
        segmenter=SEGMENTER
        | {
            "max_epochs": 10,
            "iterations_per_epoch": 120,
            "foreground_fraction": 0.66,
            "plans_override": {"patch_size": [64, 64], "features_per_stage": [16, 32, 64]},
        },
        # Labels as they are: after minutes of training hardly one would pass as plausible.
        self_training=SELF_TRAINING | {"rounds": 1, "refinement": {"refine": False}},
        ears_first=False,
        phantom_size="tiny",
        phantom_scans=(8, 8, 4),
    ),
    "small": Settings(
        slices={"pixels": 128, "pixel_mm": 0.82, "slab_mm": 42.0, "width": 16},
        looks=PHANTOM_LOOKS,
        tanq={"start_from": None, "crop": 104, "max_epochs": 17, "batch_size": 2},
        cyclegan={"crop": 104, "max_epochs": 12, "batch_size": 2},
        segmenter=SEGMENTER
        | {
            "max_epochs": 12,
            "iterations_per_epoch": 125,
            "batch_size": 4,
            # Whole slices, in multiples of 32 as nnU-Net wants: smaller ones do not tell the VS from fat and muscle.
            "plans_override": {"patch_size": [160, 160], "features_per_stage": [16, 32, 64, 128, 128]},
        },
        self_training=SELF_TRAINING | {"rounds": 2},
        ears_first=False,
        phantom_size="small",
        phantom_scans=(20, 20, 8),
    ),
}


def trial_settings(size: str) -> Settings:
    """The settings by name, of a size for virtual patients of the two sites and a CPU, translators included.

    Raises:
        InputError: when there is no such size.
    """
    if size not in TRIALS:
        raise InputError(f"--size {size}", "is not the size of a trial", f"choose one of {', '.join(TRIALS)}")
    return SIZES[size]


def settings_of(size: str) -> Settings:
    """The settings by name.

    Raises:
        InputError: when there is no such size.
    """
    if size not in SIZES:
        raise InputError(f"--size {size}", "is not a size", f"choose one of {', '.join(SIZES)}")
    return SIZES[size]
