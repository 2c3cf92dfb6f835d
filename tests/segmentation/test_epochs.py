"""Epochs, rates and momentum of a training, also of one that was stopped: nnU-Net's checkpoints, three weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from tanq_monai.segmentation.training.engine import NnUNetEngine

EPOCHS, STEPS, RATE, MOMENTUM = 4, 2, 0.1, 0.9
INPUT, TARGET = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[1.0]])  # gradients too small to be clipped


class Logger:
    def get_checkpoint(self) -> dict[str, Any]:
        return {}

    def load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        pass


class SmallTrainer:
    """Has of nnU-Net's trainer what the engine uses, and saves and schedules as it does."""

    save_checkpoint = nnUNetTrainer.save_checkpoint
    local_rank, disable_checkpointing, is_ddp, _best_ema, seed = 0, False, False, None, 0

    def __init__(self, folder: Path) -> None:
        self.device, self.grad_scaler = torch.device("cpu"), None
        self.network = torch.nn.Linear(3, 1, bias=False)
        torch.nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=RATE, momentum=MOMENTUM)
        self.lr_scheduler = PolyLRScheduler(self.optimizer, RATE, EPOCHS)
        self.loss = torch.nn.functional.mse_loss
        self.logger, self.my_init_kwargs = Logger(), {"seed": 0}
        self.output_folder, self.output_folder_base = str(folder / "results" / "fold_all"), str(folder / "results")
        self.preprocessed_dataset_folder_base = str(folder)
        (folder / "dataset_fingerprint.json").write_text("{}")
        self.plans_manager = type("Plans", (), {"plans": {}})()
        self.configuration_name, self.dataset_json = "2d", {"labels": {}}
        self.dataloader_train = self.dataloader_val = None
        self.fold, self.inference_allowed_mirroring_axes = "all", (0, 1)


def engine(folder: Path) -> NnUNetEngine:
    batches = [{"data": INPUT, "target": TARGET}] * STEPS
    return NnUNetEngine(SmallTrainer(folder), batches, max_epochs=EPOCHS, model_dir=folder / "models")


def by_hand() -> torch.Tensor:
    """Gradient descent with momentum, its rate falling from epoch to epoch as nnU-Net's does."""
    weight, velocity = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    x, y = INPUT.double(), TARGET.double()
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS) ** 0.9
        for _ in range(STEPS):
            velocity = MOMENTUM * velocity + 2 * (weight @ x.T - y) * x
            weight = weight - rate * velocity
    return weight.float()


def weight_in(folder: Path) -> torch.Tensor:
    return torch.load(folder / "models" / "model.pt", weights_only=True)["weight"]


def test_every_epoch_has_its_rate_and_steps_keep_their_momentum(tmp_path: Path) -> None:
    engine(tmp_path).run()
    torch.testing.assert_close(weight_in(tmp_path), by_hand(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("epoch", [2, 4])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, epoch: int) -> None:
    stopped = engine(tmp_path)

    @stopped.on(Events.EPOCH_STARTED)
    def stop() -> None:
        if stopped.state.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    resumed = engine(tmp_path)
    resumed.run()
    assert resumed.state.iteration == EPOCHS * STEPS
    torch.testing.assert_close(weight_in(tmp_path), by_hand(), rtol=1e-5, atol=1e-6)
