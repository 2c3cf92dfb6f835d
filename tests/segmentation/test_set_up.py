"""A user's choices reach nnU-Net's own trainer. Two preparations, and no training."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from tanq_monai.errors import InputError
from tanq_monai.scans.folder import find_labelled
from tanq_monai.segmentation.training.engine import export_model
from tanq_monai.segmentation.training.nnunet import Settings, set_up_nnunet
from tanq_monai.structures import Structures

pytestmark = pytest.mark.slow  # nnU-Net asks the program `hostname` where it runs

CPU = torch.device("cpu")
SETTINGS = Settings(
    configuration="2d",
    batch_size=2,
    max_epochs=7,
    learning_rate=0.02,
    foreground_fraction=0.75,
    feature_statistics=0.25,
    plans_override={"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
    num_processes=0,
)


@pytest.fixture(scope="module")
def cases(tiny_phantom: Path) -> list[Mapping[str, Any]]:
    return list(find_labelled(tiny_phantom / "training_source").cases)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trainer(cases: list[Mapping[str, Any]], run: Path) -> nnUNetTrainer:
    return set_up_nnunet(cases, run, SETTINGS, CPU)


def test_rate_length_and_batch_are_those_of_the_settings(trainer: nnUNetTrainer) -> None:
    assert (trainer.initial_lr, trainer.num_epochs, trainer.batch_size) == (0.02, 7, 2)
    assert trainer.optimizer.param_groups[0]["lr"] == 0.02
    trainer.lr_scheduler.step(3)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.02 * (1 - 3 / 7) ** 0.9)


def test_the_loader_draws_as_many_patches_with_a_structure_as_asked_for(trainer: nnUNetTrainer) -> None:
    loader = trainer.dataloader_train.data_loader
    assert loader.oversample_foreground_percent == 0.75
    assert loader.batch_size == 2


def test_the_first_stages_draw_statistics_as_often_as_asked_for(trainer: nnUNetTrainer) -> None:
    shares = [[hook.share for hook in stage._forward_hooks.values()] for stage in trainer.network.encoder.stages]
    assert shares == [[0.25], [0.25], []]


def test_a_training_begins_with_the_weights_of_its_initial_model(
    cases: list[Mapping[str, Any]], trainer: nnUNetTrainer, tmp_path: Path
) -> None:
    export_model(trainer, tmp_path / "model")
    settings = replace(SETTINGS, initial_model=str(tmp_path / "model"), plans_override=None)
    begun = set_up_nnunet(cases, tmp_path / "run", settings, CPU)
    expected = torch.load(tmp_path / "model" / "model.pt", weights_only=True)
    found = begun.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_a_training_does_not_begin_with_a_model_that_calls_a_value_by_another_name(
    cases: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    model = Path(__file__).parents[2] / "bundles" / "vs_cochlea_seg" / "models"
    settings = replace(SETTINGS, initial_model=str(model), structures=Structures({"tumor": 1, "cochlea": 2}))
    told = r"has the labels {'VS': 1, 'cochlea': 2}, the run {'tumor': 1, 'cochlea': 2}; give a model of the same"
    with pytest.raises(InputError, match=told):
        set_up_nnunet(cases, tmp_path / "run", settings, CPU)
    assert not (tmp_path / "run").exists()
