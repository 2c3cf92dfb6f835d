"""One optimization step, by itself or as one of several processes (ranks) that share a batch."""

from torch import Tensor
from torch.optim import Optimizer

from tanq_monai.ranks import average_gradients


def update(loss: Tensor, *optimizers: Optimizer) -> None:
    """Minimise ``loss`` by one step; with several ranks by that of its mean over them."""
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        average_gradients(p for group in optimizer.param_groups for p in group["params"])
        optimizer.step()
