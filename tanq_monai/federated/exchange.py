"""What sites and their server send each other: every weight once, in its own type, and how many scans stand behind it.

nnU-Net's state dict names most of its encoder's weights three times; here each goes by the first of its names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tanq_monai.choices.config import checked
from tanq_monai.errors import InputError
from tanq_monai.weights import fill, first_names

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Training:
    """What all sites have in common.

    Args:
        num_rounds: after each, the weights of all sites are averaged; also the length of nnU-Net's schedule in epochs.
        iterations_per_epoch: steps of a site in a round.
        batch_size: patches in a step.
        learning_rate: in the first round.
        seed: of every batch.

    Raises:
        InputError: for what is no number, or out of range: a site trusts nobody with an expression of MONAI's.
    """

    num_rounds: int = 6
    iterations_per_epoch: int = 100
    batch_size: int = 4
    learning_rate: float = 0.0003
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, checked(name, value))


@dataclass(frozen=True)
class Request:
    """What the server asks of every site in a round.

    Attributes:
        number: of the round, from 0.
        weights: to begin with.
        training: of all sites.
        plan: nnU-Net's ``plans.json``: network, spacing, window, normalization.
        labels: nnU-Net's ``dataset.json``: the structures.
    """

    number: int
    weights: Weights
    training: Training
    plan: Mapping[str, Any]
    labels: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """What a site answers.

    Attributes:
        weights: after the round.
        num_cases: scans that it trained on.
    """

    weights: Weights
    num_cases: int


def weights_of(network: nn.Module) -> Weights:
    """Copies of a network's weights, each once, by the first of its names."""
    state = network.state_dict()
    names = dict.fromkeys(first_names(network).values())
    return {name: state[name].detach().cpu().contiguous().numpy().copy() for name in names}


def put_weights(weights: Weights, network: nn.Module, where: str | Path) -> None:
    """Give a network the weights of :func:`weights_of`.

    Raises:
        InputError: naming ``where`` they are from, when they are of another network, or hold NaN or infinity.
    """
    given = {name: torch.tensor(np.asarray(value)) for name, value in weights.items()}
    names = first_names(network)
    every = {name: given[first] for name, first in names.items() if first in given}
    fill(network, given | every, where)


def mean_weights(updates: Mapping[str, Update], network: nn.Module) -> Weights:
    r"""The mean over sites, :math:`w = \sum_k n_k w_k / \sum_k n_k`, of ``n_k`` scans each.

    Sums are taken in float64 and in the order of the sites' names, whoever answers first; the mean has the type of the
    weights, whole numbers too.

    Args:
        updates: by the names of the sites.
        network: whose weights they are to be; it is given the mean.

    Raises:
        InputError: when a site's weights are of another network, hold NaN, or no scan stands behind them.

    References:
        McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017.
    """
    for site, update in updates.items():
        if not update.num_cases > 0:
            raise InputError(site, f"trained on {update.num_cases} scans", "leave it out, or give it some")
        put_weights(update.weights, network, f"weights of {site}")
    total = sum(update.num_cases for update in updates.values())
    sums = {name: np.zeros(value.shape) for name, value in weights_of(network).items()}
    for _, update in sorted(updates.items()):
        for name, value in update.weights.items():
            sums[name] += value.astype(np.float64) * (update.num_cases / total)
    mean = {name: _as_type(sums[name], value.dtype) for name, value in weights_of(network).items()}
    put_weights(mean, network, "mean of the sites")
    return mean


def digest_of(weights: Weights) -> str:
    """SHA-256 of names, types and values."""
    total = hashlib.sha256()
    for name, value in sorted(weights.items()):
        total.update(f"{name} {value.shape} {value.dtype}".encode())
        total.update(np.ascontiguousarray(value).data)
    return total.hexdigest()


def _as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    return (np.rint(values) if np.issubdtype(dtype, np.integer) else values).astype(dtype)
