"""A training that diverges ends: no step on a loss that is no number, no file with weights that are none."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import State
from torch import Tensor

from tanq_monai.errors import InputError
from tanq_monai.ranks import mean_over_ranks
from tanq_monai.weights import not_finite

_REMEDY = (
    "start again, from the last checkpoint where there is one, with a lower learning_rate or with amp false; "
    "`python -m tanq_monai check` looks through the scans"
)


def finite_losses(losses: Mapping[str, Tensor], state: State) -> dict[str, float]:
    """The values of some losses by name; asked before the step on them.

    Raises:
        InputError: for the first one that is NaN or infinite, on this rank or another: all ranks end at the same step.
    """
    values = torch.stack([loss.detach() for loss in losses.values()])
    for name, value in zip(losses, mean_over_ranks(values).tolist(), strict=True):
        if not math.isfinite(value):
            raise InputError(name, f"is {value} in epoch {state.epoch}, iteration {state.iteration}", _REMEDY)
    return dict(zip(losses, values.tolist(), strict=True))


def check_trained(weights: Mapping[str, Any], file: str | Path) -> None:
    """Raise where a finite loss has led to weights that are none: they are not to be written.

    Raises:
        InputError: for the first of them; ``file`` stays as it is.
    """
    name = not_finite(weights)
    if name is not None:
        raise InputError(file, f"is not written: the training has led to NaN or infinity in {name}", _REMEDY)
