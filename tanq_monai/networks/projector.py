"""Feature projection for contrastive learning."""

from collections.abc import Sequence

from torch import Tensor, nn

from tanq_monai.networks.blocks import init_xavier


class FeatureProjector(nn.Module):
    """One two-layer MLP per tapped layer, then unit length; 559,872 parameters.

    Args:
        channels: of the tapped layers.
        width: of the projections.
    """

    def __init__(self, channels: Sequence[int] = (1, 128, 256, 256, 256), width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels
        )
        init_xavier(self)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Rows (B, N, C) of every layer -> (B, N, width), each row divided by its norm + 1e-7."""
        projected = [head(rows) for head, rows in zip(self.heads, features, strict=True)]
        return [rows / (rows.norm(dim=-1, keepdim=True) + 1e-7) for rows in projected]
