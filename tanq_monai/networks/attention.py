"""Query-selected attention (QS-Attn): which places of a slice are worth contrasting.

Axes: B batch, C channels, P = H W places of a feature map, N selected places.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

ROWS_AT_ONCE = 512  # of P x P attention: 8 MB per sample at 4096 places


def attention_entropy(rows: Tensor) -> Tensor:
    """Entropy in nats of every place's attention over all places.

    ``A = softmax(R R^T)`` row by row, neither scaled nor normalised, ``H_i = -sum_j A_ij log A_ij``. Computed in chunks
    of rows, so that A never exists as a whole. Selection has no gradient.

    Args:
        rows: features (B, P, C).

    Returns:
        (B, P), at least float32.
    """
    with torch.no_grad(), torch.autocast(rows.device.type, enabled=False):
        rows = _widen(rows)
        chunks = [_entropy(chunk @ rows.transpose(1, 2)) for chunk in torch.split(rows, ROWS_AT_ONCE, dim=1)]
        return torch.cat(chunks, dim=1)


def select_attention(features: Tensor, num_queries: int = 256) -> Tensor:
    """The attention rows of the places with the lowest entropy, (B, N, P), with gradient to ``features`` (B, C, H, W).

    Products reach 24,000 at initialisation, so attention stays float32. Entropies tie at 0: the sort is stable.

    References:
        Hu et al., "QS-Attn: Query-Selected Attention for Contrastive Learning in I2I Translation", CVPR 2022 (global).
    """
    rows = places(features)
    order = attention_entropy(rows).sort(dim=1, stable=True).indices[:, :num_queries]
    with torch.autocast(features.device.type, enabled=False):
        rows = _widen(rows)
        chosen = rows.gather(1, order[..., None].expand(-1, -1, rows.shape[-1]))
        return (chosen @ rows.transpose(1, 2)).softmax(dim=-1)


class FeatureSampler:
    """Rows of the tapped feature maps that correspond between a slice and its translation.

    The shallow layers give random places, the same in both; the ``attended`` last ones are queried by attention, which
    is the source's for both.

    Args:
        num_patches: N per layer, or all places where there are fewer.
        attended: how many of the last layers QS-Attn samples; 0 is CUT.
    """

    def __init__(self, num_patches: int = 256, attended: int = 2) -> None:
        self.num_patches = num_patches
        self.attended = attended

    def __call__(self, source: Sequence[Tensor], translated: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and queries, each a list of (B, N, C), from two lists of feature maps (B, C, H, W)."""
        keys, queries = [], []
        for layer, (own, other) in enumerate(zip(source, translated, strict=True)):
            if layer < len(source) - self.attended:
                chosen = torch.randperm(own.shape[2] * own.shape[3])[: self.num_patches].to(own.device)
                keys.append(places(own)[:, chosen])
                queries.append(places(other)[:, chosen])
            else:
                attention = select_attention(own, self.num_patches)
                with torch.autocast(own.device.type, enabled=False):
                    keys.append(attention @ _widen(places(own)))
                    queries.append(attention @ _widen(places(other)))
        return keys, queries


def places(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C)."""
    return features.flatten(2).transpose(1, 2)


def _widen(x: Tensor) -> Tensor:
    """To float32; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _entropy(logits: Tensor) -> Tensor:
    log_attention = logits.log_softmax(dim=-1)
    return -(log_attention.exp() * log_attention).nan_to_num(0.0).sum(dim=-1)
