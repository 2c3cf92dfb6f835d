"""One optimization step, by itself or as one of several processes (ranks) that share a batch."""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.optim import Optimizer


def update(loss: Tensor, *optimizers: Optimizer) -> None:
    """Minimise ``loss`` by one step; with several ranks by that of its mean over them."""
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        _average_gradients(optimizer)
        optimizer.step()


def is_first_rank() -> bool:
    """Whether this process is the one that writes files: the only one, or rank 0."""
    return not dist.is_initialized() or dist.get_rank() == 0


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of ``value`` over all ranks, without gradient."""
    value = value.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


def _average_gradients(optimizer: Optimizer) -> None:
    """One exchange for all gradients: a network has dozens of small ones."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not dist.is_initialized() or not gradients:
        return
    flat = mean_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])  # type: ignore[no-untyped-call]
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view_as(gradient))
