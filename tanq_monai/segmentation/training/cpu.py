"""nnU-Net's training step as a CPU takes it faster: the same numbers but for rounding, under the same names.

Axes: B batch, C channels, H x W pixels. Convolutions are fastest channels last, where torch's instance norm is slow: it
is a batch norm of one sample with B x C channels, and everything is copied for that. Here every sample is a batch of
its own: the same statistics, without a copy. What autograd does for a batch norm is written out for that.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer

_aten = torch.ops.aten


def suit_cpu(network: nn.Module, optimizer: Optimizer) -> None:
    """Change the way, in place, in which a network and an optimizer of nnU-Net's compute; again, it changes nothing."""
    for module in network.modules():
        plain = _NORMS.get(type(module))
        if plain is not None and module.affine and not module.track_running_stats:
            module.__class__ = plain  # nnU-Net's blocks hold a norm under two names
    if not any(isinstance(module, nn.Conv3d) for module in network.modules()):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(optimizer, SGD | Adam | AdamW):
        for group in optimizer.param_groups:
            group["fused"] = True


class SampleNorm2d(nn.InstanceNorm2d):
    """``torch.nn.InstanceNorm2d`` with weight and bias and without running statistics, computed sample by sample."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) in any memory format and float type, which the result has too; statistics are float32."""
        if not input.is_contiguous(memory_format=torch.channels_last):
            return F.group_norm(input, self.num_features, self.weight, self.bias, self.eps)
        normalized: Tensor = _SampleNorm.apply(input, self.weight, self.bias, self.eps)
        return normalized


class GroupNorm3d(nn.InstanceNorm3d):
    """``torch.nn.InstanceNorm3d`` as the group norm of groups of one channel, which torch computes faster."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, Z, Y, X) in any float type, which the result has too; statistics are float32."""
        return F.group_norm(input, self.num_features, self.weight, self.bias, self.eps)


_NORMS: dict[type[nn.Module], type[nn.Module]] = {nn.InstanceNorm2d: SampleNorm2d, nn.InstanceNorm3d: GroupNorm3d}


class _SampleNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        y, means = torch.empty_like(x), weight.new_empty(x.shape[:2])
        inverse_stds = torch.empty_like(means)
        for sample, place, mean, inverse_std in zip(_samples(x), _samples(y), means, inverse_stds, strict=True):
            kept = {"out": place, "save_mean": mean, "save_invstd": inverse_std}
            _aten.native_batch_norm.out(sample, weight, bias, None, None, True, 0.0, eps, **kept)
        ctx.eps = eps
        ctx.save_for_backward(x, weight, means, inverse_stds)
        return y

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, means, inverse_stds = ctx.saved_tensors
        of_y = of_y.contiguous(memory_format=torch.channels_last)
        of_x, of_weights, of_biases = torch.empty_like(x), torch.empty_like(means), torch.empty_like(means)
        given = zip(_samples(of_y), _samples(x), means, inverse_stds, strict=True)
        places = zip(_samples(of_x), of_weights, of_biases, strict=True)
        for (of_normalized, sample, mean, inverse_std), wanted in zip(given, places, strict=True):
            gradients = _aten.native_batch_norm_backward(
                of_normalized, sample, weight, None, None, mean, inverse_std, True, ctx.eps, [True, True, True]
            )
            for place, gradient in zip(wanted, gradients, strict=True):
                place.copy_(gradient)
        return of_x, of_weights.sum(dim=0), of_biases.sum(dim=0), None


def _samples(x: Tensor) -> list[Tensor]:
    return [x[number : number + 1] for number in range(len(x))]
