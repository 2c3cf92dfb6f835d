"""Weights from disk."""

import pickle
from pathlib import Path

import torch
from torch import nn

from tanq_monai.errors import InputError

REMEDY = "give the model.pt of a training with the same choices"


def load_weights(network: nn.Module, model_file: str | Path) -> nn.Module:
    """``network`` with the weights of ``model_file``, a plain state dict.

    Raises:
        InputError: when the file is missing, no state dict, or of another network.
    """
    weights = _read_state_dict(Path(model_file))
    given = {name: value.shape for name, value in weights.items()}
    expected = {name: value.shape for name, value in network.state_dict().items()}
    wrong = sorted(name for name in given.keys() | expected.keys() if given.get(name) != expected.get(name))
    if wrong:
        problem = f"does not fit the network: {len(wrong)} weights differ, the first is {wrong[0]}"
        raise InputError(model_file, problem, REMEDY)
    network.load_state_dict(weights)
    return network


def _read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise InputError(path, "is missing", "train first, or give the model.pt of a training")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, pickle.UnpicklingError) as error:
        raise InputError(path, "is no state dict of torch.save", REMEDY) from error
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise InputError(path, "is no state dict: it holds other things than tensors by name", REMEDY)
    return weights
