"""Query-selected attention (QS-Attn): which places of a slice are worth contrasting.

Axes: B batch, C channels, P = H W places of a feature map, N selected places.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

# Of attention: 4 MB, which stay in a CPU's cache; on a GPU few large steps are faster than many small ones.
VALUES_AT_ONCE = {"cpu": 2**20, "cuda": 2**26}
OUTSIDE = -1e30  # of the products with places outside a window
LEAST = -86.0  # logarithm of a weight, of which any below twice as much counts as 0: underflow costs 50 times as much

Attention = Literal["global", "local", "local+global"]


@dataclass(frozen=True)
class Window:
    """The ``size`` x ``size`` places round each place of a map; at a border those of them that exist.

    QS-Attn pads the map with zeros there, which draws attention away from the places that exist.

    Attributes:
        size: odd.
        map_size: H and W.
    """

    size: int
    map_size: tuple[int, int]

    def leaves_out(self, chosen: Tensor) -> Tensor:
        """Which of the P places are outside the windows of ``chosen``, numbers of places (..., N): (..., N, P)."""
        height, width = self.map_size
        rows, columns = self._too_far(chosen // width, height), self._too_far(chosen % width, width)
        return (rows[..., :, None] | columns[..., None, :]).flatten(-2)

    def _too_far(self, chosen: Tensor, length: int) -> Tensor:
        """Which of ``length`` rows or columns are outside the windows of those chosen: (..., N, length)."""
        return (chosen[..., None] - torch.arange(length, device=chosen.device)).abs() > self.size // 2


def attention_entropy(rows: Tensor, window: Window | None = None) -> Tensor:
    """Entropy in nats of every place's attention over all places, or over those in its window.

    ``A = softmax(R R^T)`` row by row, neither scaled nor normalised, ``H_i = -sum_j A_ij log A_ij``. Computed in chunks
    of one sample's rows, so that A never exists as a whole. Selection has no gradient.

    Args:
        rows: features (B, P, C).
        window: None for all places.

    Returns:
        (B, P), at least float32.
    """
    with torch.no_grad(), torch.autocast(rows.device.type, enabled=False):
        rows = _widen(rows)
        rows_at_once = max(1, VALUES_AT_ONCE[rows.device.type] // rows.shape[1])
        entropies = rows.new_empty(rows.shape[:2])  # one: small ones in between would keep memory in use
        numbers = torch.arange(rows.shape[1], device=rows.device)
        for own, of_own in zip(rows, entropies, strict=True):
            for start in range(0, len(own), rows_at_once):
                chunk = slice(start, start + rows_at_once)
                of_own[chunk] = _entropy(_products(own[chunk], own, numbers[chunk], window))
        return entropies


def select_places(features: Tensor, num_queries: int = 256, attention: Attention = "global", window: int = 7) -> Tensor:
    """Numbers (B, N) in the P places of the ``features`` (B, C, H, W): the lowest entropies, the lowest one first.

    Entropies tie at 0: the sort is stable. The arguments are those of :func:`select_attention`.
    """
    near = None if attention == "global" else Window(window, (features.shape[2], features.shape[3]))
    return attention_entropy(places(features), near).sort(dim=1, stable=True).indices[:, :num_queries]


def select_attention(
    features: Tensor, num_queries: int = 256, attention: Attention = "global", window: int = 7
) -> Tensor:
    """The attention rows of the places with the lowest entropy, (B, N, P), with gradient to ``features`` (B, C, H, W).

    Products reach 24,000 at initialisation, so attention stays float32.

    Args:
        features: of the source.
        num_queries: N.
        attention: "global", over all places; "local", over the window round the place; "local+global": the entropy is
            local, the rows of the chosen places are global.
        window: places across, odd.

    References:
        Hu et al., "QS-Attn: Query-Selected Attention for Contrastive Learning in I2I Translation", CVPR 2022. How it
        combines local and global, for selection and for routing, is our reading.
    """
    order = select_places(features, num_queries, attention, window)
    near = Window(window, (features.shape[2], features.shape[3])) if attention == "local" else None
    with torch.autocast(features.device.type, enabled=False):
        rows = _widen(places(features))
        chosen = rows.gather(1, order[..., None].expand(-1, -1, rows.shape[-1]))
        return _products(chosen, rows, order, near).softmax(dim=-1)


class FeatureSampler:
    """Rows of the tapped feature maps that correspond between a slice and its translation.

    The shallow layers give random places, the same in both; the ``attended`` last ones are queried by attention, which
    is the source's for both.

    Args:
        num_patches: N per layer, or all places where there are fewer.
        attended: how many of the last layers QS-Attn samples; 0 is CUT.
        attention: of these layers, see :func:`select_attention`; TANQ's is "global".
        window: places across of local attention, odd; QS-Attn has 7.

    Raises:
        ValueError: for an attention that is not there or a window without a middle.
    """

    def __init__(
        self, num_patches: int = 256, attended: int = 2, attention: Attention = "global", window: int = 7
    ) -> None:
        if attention not in ("global", "local", "local+global"):
            raise ValueError(f'attention must be "global", "local" or "local+global", got {attention!r}')
        if window < 1 or window % 2 == 0:
            raise ValueError(f"window must be odd and positive, got {window}")
        self.num_patches = num_patches
        self.attended = attended
        self.attention: Attention = attention
        self.window = window

    def __call__(self, source: Sequence[Tensor], translated: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Keys, which take no gradient, and queries, (B, N, C) each, from two lists of feature maps (B, C, H, W)."""
        keys, queries = [], []
        for layer, (own, other) in enumerate(zip(source, translated, strict=True)):
            if layer < len(source) - self.attended:
                chosen = torch.randperm(own.shape[2] * own.shape[3])[: self.num_patches].to(own.device)
                keys.append(places(own.detach())[:, chosen])
                queries.append(places(other)[:, chosen])
            else:
                attention = select_attention(own, self.num_patches, self.attention, self.window)
                with torch.autocast(own.device.type, enabled=False):
                    keys.append(attention.detach() @ _widen(places(own.detach())))
                    queries.append(attention @ _widen(places(other)))
        return keys, queries


def places(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C)."""
    return features.flatten(2).transpose(1, 2)


def _widen(x: Tensor) -> Tensor:
    """To float32; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _products(chosen: Tensor, rows: Tensor, numbers: Tensor, window: Window | None) -> Tensor:
    """Of the features ``chosen`` (..., N, C) at the places ``numbers`` with all (..., P, C), or in their windows."""
    products = chosen @ rows.transpose(-1, -2)
    return products if window is None else products.masked_fill(window.leaves_out(numbers), OUTSIDE)


def _entropy(logits: Tensor) -> Tensor:
    """Of softmax(logits), which are used up. Both terms are positive: small entropies lose nothing."""
    logits -= logits.amax(dim=-1, keepdim=True)
    weights = torch.threshold_(logits.clamp_(min=LEAST).exp(), 2 * math.exp(LEAST), 0.0)
    total = weights.sum(dim=-1)
    return total.log() - logits.mul_(weights).sum(dim=-1) / total
