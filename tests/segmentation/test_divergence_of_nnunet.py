"""Trainings of the segmenter that diverge: they end in one line, and what was good stays."""

import pytest
import torch
from made_up_models import write_model
from test_engine import BATCH, FakeNnUNet
from typed import mistakes, run_bundle

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.engine import NnUNetEngine

CHECKPOINTS = ("results", "fold_all")


class Epochs:
    """Batches of every epoch in turn."""

    def __init__(self, *epochs):
        self.epochs = iter(epochs)

    def __len__(self):
        return 1

    def __iter__(self):
        return iter(next(self.epochs))


def batch(value):
    return {"data": torch.full((1, 3), value), "target": torch.zeros(1)}


def engine(folder, *epochs):
    folder.mkdir(exist_ok=True)
    return NnUNetEngine(FakeNnUNet(folder, 1.0), Epochs(*epochs), max_epochs=len(epochs), model_dir=folder / "models")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_training_ends_at_the_first_loss_that_is_no_number_and_keeps_the_epoch_before(tmp_path, value):
    engine(tmp_path / "good", [BATCH]).run()
    diverging = engine(tmp_path, [BATCH], [batch(value)], [BATCH])
    with pytest.raises(InputError, match=r"^loss: is (nan|-inf) in epoch 2, iteration 2; start again, from the last"):
        diverging.run()
    kept = torch.load(tmp_path.joinpath(*CHECKPOINTS, "checkpoint_latest.pth"))["network_weights"]["weight"]
    assert torch.equal(kept, torch.load(tmp_path / "good" / "models" / "model.pt")["weight"])
    assert torch.equal(kept, diverging.network.weight)
    assert not (tmp_path / "models").exists()
    assert [path.name for path in tmp_path.joinpath(*CHECKPOINTS).iterdir()] == ["checkpoint_latest.pth"]


def test_weights_of_nan_behind_a_finite_loss_are_not_written(tmp_path):
    diverging = engine(tmp_path, [BATCH])
    diverging.nnunet.optimizer.param_groups[0]["lr"] = torch.inf
    with pytest.raises(InputError, match=r"checkpoint_latest\.pth: is not written: the training has led to NaN"):
        diverging.run()
    assert [path.name for path in tmp_path.rglob("*.p*")] == []


@pytest.mark.filterwarnings("ignore:.*cuda:UserWarning", "ignore:.*torch.cuda.amp.GradScaler:FutureWarning")
def test_a_step_that_is_skipped_for_its_infinite_gradients_is_no_divergence(tmp_path):
    """As float16 does on CUDA, here with the scaler of the CPU: its first scales are too large for float32."""
    training = engine(tmp_path, *[[BATCH]] * 4)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # gradients are 3, 0 and 4 times as large: twice infinite
    training.amp, training.nnunet.grad_scaler = True, scaler
    training.run()
    assert scaler.get_scale() == 2.0**125
    torch.testing.assert_close(
        torch.load(tmp_path / "models" / "model.pt")["weight"], torch.tensor([[-6.0, 0.0, -8.0]])
    )


@pytest.mark.slow
def test_a_training_that_is_typed_ends_with_one_line_and_without_a_model(tiny_phantom, tmp_path):
    model = write_model(tmp_path / "first", "2d")
    weights = torch.load(model / "model.pt")
    torch.save({name: value.fill_(3e38) for name, value in weights.items()}, model / "model.pt")
    choices = {"configuration": "2d", "max_epochs": 1, "iterations_per_epoch": 1, "num_processes": 0, "batch_size": 2}
    choices |= {"dataset_dir": tiny_phantom / "training_source", "output_dir": tmp_path / "run", "device": "cpu"}
    (told,) = mistakes(run_bundle("vs_cochlea_seg", "train", initial_model=model, amp=False, **choices))
    assert told.startswith("error: loss: is nan in epoch 1, iteration 1; start again, from the last")
    assert not [*(tmp_path / "run").rglob("*.pth"), *(tmp_path / "run").rglob("*.pt")]
