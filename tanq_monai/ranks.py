"""Several processes (ranks) that share every batch of a training."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch import distributed as dist

from tanq_monai.errors import InputError


def rank() -> int:
    """The number of this process among those that share the training; 0 where it is the only one."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first_rank() -> bool:
    """Whether this process is the one that writes files: the only one, or rank 0."""
    return rank() == 0


def wait_for_ranks() -> None:
    """Go on when all ranks are here."""
    if dist.is_initialized():
        dist.barrier()


@contextlib.contextmanager
def first_rank_first() -> Iterator[None]:
    """Rank 0 runs the ``with`` block before all others, which then find what it has made."""
    if not is_first_rank():
        wait_for_ranks()
    yield
    if is_first_rank():
        wait_for_ranks()


def check_same_checkpoint(path: str | Path, step: int) -> None:
    """Go on when all ranks have read the checkpoint, and raise on all of them where they have read different ones.

    Ranks on several machines whose folders are not the same would go on from different weights, and nothing would tell.

    Args:
        path: of the checkpoint.
        step: how far it is; 0 where there is none.

    Raises:
        InputError: when another rank is not as far.
    """
    if not dist.is_initialized():
        return
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    ends = torch.tensor([step, -step], device=device)
    dist.all_reduce(ends, op=dist.ReduceOp.MAX)
    if ends.tolist() != [step, -step]:
        problem = f"is not the same for all processes: {step} steps here, others have {-int(ends[1])} to {int(ends[0])}"
        raise InputError(path, problem, "give all machines one folder, on a disk that they share, and start again")


def mean_over_ranks(value: Tensor) -> Tensor:
    """The mean of ``value`` over all ranks, without gradient."""
    value = value.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Every gradient becomes its mean over the ranks; one exchange for all of them, as a network has dozens."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not dist.is_initialized() or not gradients:
        return
    flat = mean_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])  # type: ignore[no-untyped-call]
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view_as(gradient))


def share_first_weights(network: nn.Module) -> None:
    """All ranks go on with the weights and buffers of rank 0."""
    if dist.is_initialized():
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)
