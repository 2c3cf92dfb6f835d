"""nnU-Net's checkpoints are data: nothing in them is run."""

import os

import numpy as np
import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.checkpoints import plain_weights, read_checkpoint


class Command:
    """What torch.load without ``weights_only`` would run."""

    def __reduce__(self):
        return os.mkdir, ("was_run",)


def written(path, **more):
    """A file as nnU-Net writes it after validation epochs: its curves are NumPy scalars."""
    curves = {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "val_losses": [np.mean([1.0, 2.0])]}
    content = {
        "network_weights": {"w": torch.ones(2)},
        "current_epoch": 3,
        "logging": curves,
        "_best_ema": np.float64(1),
    }
    torch.save(content | more, path)
    return path


def test_numpy_scalars_of_nnunets_curves_are_read(tmp_path):
    checkpoint = read_checkpoint(written(tmp_path / "checkpoint_final.pth"))
    assert checkpoint["logging"]["mean_fg_dice"] == [0.5, 0.25]
    assert checkpoint["_best_ema"] == 1.0
    assert torch.equal(checkpoint["network_weights"]["w"], torch.ones(2))


def test_a_file_that_would_run_something_is_refused_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "checkpoint_final.pth", extra=Command())
    with pytest.raises(InputError, match=r"checkpoint_final.pth: cannot be read as a checkpoint; copy it again"):
        read_checkpoint(path)
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": {}}, "is no checkpoint of nnU-Net v2"),
        ({"network_weights": [1], "current_epoch": 3}, "is no checkpoint of nnU-Net v2"),
        ({"network_weights": {"w": torch.full((2,), torch.nan)}, "current_epoch": 3}, "holds w with NaN or infinity"),
        (None, "is missing; train first"),
    ],
)
def test_what_is_no_checkpoint_is_told(content, words, tmp_path):
    if content is not None:
        torch.save(content, tmp_path / "c.pth")
    with pytest.raises(InputError, match=words):
        read_checkpoint(tmp_path / "c.pth")


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_weights_lose_the_names_of_what_wrapped_the_network(prefix):
    weights = {f"{prefix}encoder.w": torch.ones(1), f"{prefix}module.b": torch.ones(1)}
    expected = {"encoder.w", "module.b"}
    assert plain_weights({"network_weights": weights}).keys() == expected
