"""nnU-Net's checkpoints, read without running what they might hold (``weights_only=True``)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.weights import UNREADABLE, check_finite, read_saved

# nnU-Net keeps its curves as NumPy scalars, which torch does not read by itself. Older files name NumPy's old module.
_SCALAR = np.float64(0).__reduce__()[0]
_DTYPES = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
_SAFE: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *_DTYPES,
]
WEIGHTS, EPOCH = "network_weights", "current_epoch"


def read_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What nnU-Net has saved: weights, optimizer, curves, plans.

    Raises:
        InputError: when the file is missing, no checkpoint of nnU-Net v2, of weights with NaN, or holds more than data.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "is missing", "train first, or give a folder of nnU-Net's results")
    try:
        with torch.serialization.safe_globals(_SAFE):
            checkpoint = read_saved(path, device)
    except UNREADABLE as error:
        raise InputError(path, "cannot be read as a checkpoint", "copy it again, or train it anew") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(WEIGHTS), dict) or EPOCH not in checkpoint:
        raise InputError(path, "is no checkpoint of nnU-Net v2", "give a folder of nnU-Net's results")
    check_finite(checkpoint[WEIGHTS], path)
    return checkpoint


def plain_weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The state dict of the network itself, whatever wrapped it in its training."""
    wrappers = ("module.", "_orig_mod.")
    weights = dict(checkpoint[WEIGHTS])
    while weights and all(str(key).startswith(wrappers) for key in weights):
        weights = {key.split(".", 1)[1]: value for key, value in weights.items()}
    return weights


def unwrapped(network: nn.Module) -> nn.Module:
    """The network that ``torch.compile`` wrapped, or the network itself."""
    return getattr(network, "_orig_mod", network)
