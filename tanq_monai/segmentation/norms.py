"""Instance norm on a CPU at the speed of torch's batch norm; axes: B batch, C channels, H x W pixels.

torch computes its instance norm as a batch norm of one sample with B x C channels, which channels last, the format in
which convolutions are fastest, have to be copied for: as long as the convolution before it, or longer. Here every
sample is a batch of its own: the same statistics, in place. What autograd does for batch norm is written out for that.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_aten = torch.ops.aten


class SampleNorm2d(nn.InstanceNorm2d):
    """``torch.nn.InstanceNorm2d`` with weight and bias and without running statistics, computed sample by sample."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) in any memory format and float type, which the result has too; statistics are float32."""
        normalized: Tensor = _SampleNorm.apply(input, self.weight, self.bias, self.eps)
        return normalized


def norm_by_sample(network: nn.Module) -> None:
    """Let the instance norms of a 2D network be :class:`SampleNorm2d`, in place; names and parameters stay."""
    for module in network.modules():
        if type(module) is nn.InstanceNorm2d and module.affine and not module.track_running_stats:
            module.__class__ = SampleNorm2d  # nnU-Net's blocks hold a norm under two names


class _SampleNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        y, means = torch.empty_like(x), weight.new_empty(x.shape[:2])
        inverse_stds = torch.empty_like(means)
        for sample, place, mean, inverse_std in zip(x.split(1), y.split(1), means, inverse_stds, strict=True):
            kept = {"out": place, "save_mean": mean, "save_invstd": inverse_std}
            _aten.native_batch_norm.out(sample, weight, bias, None, None, True, 0.0, eps, **kept)
        ctx.eps = eps
        ctx.save_for_backward(x, weight, means, inverse_stds)
        return y

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, means, inverse_stds = ctx.saved_tensors
        of_y = of_y.contiguous(memory_format=_format_of(x))
        of_x, of_weights, of_biases = torch.empty_like(x), torch.empty_like(means), torch.empty_like(means)
        given = zip(of_y.split(1), x.split(1), means, inverse_stds, strict=True)
        places = zip(of_x.split(1), of_weights, of_biases, strict=True)
        for (of_normalized, sample, mean, inverse_std), wanted in zip(given, places, strict=True):
            gradients = _aten.native_batch_norm_backward(
                of_normalized, sample, weight, None, None, mean, inverse_std, True, ctx.eps, [True, True, True]
            )
            for place, gradient in zip(wanted, gradients, strict=True):
                place.copy_(gradient)
        return of_x, of_weights.sum(dim=0), of_biases.sum(dim=0), None


def _format_of(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
