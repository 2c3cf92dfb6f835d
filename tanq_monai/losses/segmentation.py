"""How far a segmentation of slices is from their labels, slice by slice."""

import torch
from torch import Tensor
from torch.nn import functional as F


def dice_and_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Cross-entropy and soft Dice loss of every slice by itself.

    .. math:: L_b = -\frac{1}{HW} \sum_x \ln p_{y(x)}(x)
              + \frac{1}{|S_b|} \sum_{s \in S_b} \left( 1 - \frac{2 \sum_x p_s(x) [y(x) = s]}
                                                        {\sum_x p_s(x) + [y(x) = s]} \right)

    with the structures S_b that slice b holds. Nothing of one slice depends on another, so that a batch may be shared
    by several processes.

    Args:
        logits: (B, K, H, W), background first.
        labels: (B, H, W), 0 to K - 1.

    Returns:
        (B,) in nats + Dice; a slice without structures has its cross-entropy alone. 0 for certain and right logits.

    References:
        The sum is nnU-Net's (Isensee et al., Nature Methods 2021), which takes the Dice of a batch as of one image, and
        counts a structure that is not there.
    """
    log_p = logits.float().log_softmax(dim=1)
    cross_entropy = F.nll_loss(log_p, labels, reduction="none").mean(dim=(1, 2))
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:]
    probability = log_p[:, 1:].exp()
    sizes = (probability + truth).sum(dim=(2, 3))
    present = truth.flatten(2).any(dim=2)
    overlap = 2 * (probability * truth).sum(dim=(2, 3)) / sizes.clamp(min=1)  # a structure that is there has a pixel
    dice_loss = ((1 - overlap) * present).sum(dim=1) / present.sum(dim=1).clamp(min=1)
    return torch.as_tensor(cross_entropy + dice_loss)
