"""The segmentation decoder that keeps the structures in the translator's features."""

from torch import Tensor, nn

from tanq_monai.networks.convolutions import RowByRow
from tanq_monai.networks.norms import InstanceNorm


class SegDecoder(nn.Sequential):
    """From the last residual block's output to class logits at full resolution; 378,243 parameters at 256 channels.

    Args:
        in_channels: of the residual blocks' output.
        classes: background included.
    """

    def __init__(self, in_channels: int = 256, classes: int = 3) -> None:
        half, quarter = in_channels // 2, in_channels // 4
        super().__init__(
            nn.ConvTranspose2d(in_channels, half, 3, stride=2, padding=1, output_padding=1),
            InstanceNorm(half),
            nn.ReLU(),
            nn.ConvTranspose2d(half, quarter, 3, stride=2, padding=1, output_padding=1),
            InstanceNorm(quarter),
            nn.ReLU(),
            RowByRow(quarter, classes, 7),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, in_channels, H/4, W/4) -> logits (B, classes, H, W)."""
        up1, norm1, _, up2, norm2, _, head = self  # a norm does the ReLU, too, and the head's reflection pad
        hidden = norm2(up2(norm1(up1(hidden), slope=0.0)), slope=0.0, margin=3)
        logits: Tensor = head(hidden)
        return logits
