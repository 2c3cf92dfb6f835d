"""Weights and inputs of the golden numbers, which were computed with the reference implementations in float64."""

import torch
from torch import Tensor, nn


def fill(network: nn.Module, amplitude: float = 0.1) -> None:
    """Every convolution and linear layer, counted i = 0, 1, ... in forward order, gets weights of a sine."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for i, layer in enumerate(layers):
        k = torch.arange(layer.weight.numel(), dtype=torch.float64)
        layer.weight.data = (amplitude * torch.sin(0.7 * k + 1.3 * i)).view_as(layer.weight)
        k = torch.arange(layer.bias.numel(), dtype=torch.float64)
        layer.bias.data = 0.01 * torch.cos(0.5 * k + i)


def slice_64() -> Tensor:
    """(1, 1, 64, 64)."""
    h, w = torch.meshgrid(torch.arange(64.0).double(), torch.arange(64.0).double(), indexing="ij")
    return (torch.sin(0.11 * h + 0.05 * w) * torch.cos(0.07 * w - 0.03 * h))[None, None]


def std(values: Tensor) -> float:
    """The population's."""
    return values.std(correction=0).item()
