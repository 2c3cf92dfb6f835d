"""Patch-wise contrastive loss."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """Every query should find its own key among the keys of the same image; ``ln N`` is chance.

    Args:
        queries: (B, N, C), rows of unit length.
        keys: (B, N, C), rows of unit length; no gradient flows into them.
        temperature: of the softmax over the N keys.

    Returns:
        (B, N) cross-entropies in nats.

    References:
        Park et al., ECCV 2020, with the N keys of one image as the only candidates.
    """
    dtype = torch.promote_types(queries.dtype, torch.float32)
    logits = queries.to(dtype) @ keys.detach().to(dtype).transpose(1, 2) / temperature
    own = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    return F.cross_entropy(logits.transpose(1, 2), own, reduction="none")


def contrastive_loss(queries: Sequence[Tensor], keys: Sequence[Tensor], temperature: float = 0.07) -> Tensor:
    """Mean of :func:`patch_nce` over patches, then over the layers (L_con of TANQ, which has no number there)."""
    layers = [patch_nce(q, k, temperature).mean() for q, k in zip(queries, keys, strict=True)]
    return torch.stack(layers).mean()
