"""The PatchGAN discriminator: is this 70 x 70 patch real?"""

from itertools import pairwise, zip_longest

import torch
from torch import Tensor, nn

from tanq_monai.networks.blocks import BlurPool, init_normal, init_xavier
from tanq_monai.networks.convolutions import FromOneChannel
from tanq_monai.networks.norms import InstanceNorm
from tanq_monai.networks.pixelwise import rectify

SLOPE = 0.2  # of the LeakyReLUs


class PatchDiscriminator(nn.Sequential):
    """Five 4 x 4 convolutions; 2,762,689 parameters; a 30 x 30 map of scores for a slice of 256 x 256, no sigmoid.

    Args:
        width: channels of the first convolution; 2, 4 and 8 x of it follow.
        antialiased: blur-pool after stride-1 convolutions (TANQ); otherwise strided convolutions (CycleGAN).
        num_styles: looks of hrT2, each with a score map of its own: is this patch real, and of this style?

    References:
        Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017.
    """

    def __init__(self, width: int = 64, antialiased: bool = True, num_styles: int = 1) -> None:
        channels = [1, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(pairwise(channels)):
            halves = number < 3
            convolution = FromOneChannel if antialiased and number == 0 else nn.Conv2d
            layers.append(convolution(before, after, 4, stride=2 if halves and not antialiased else 1, padding=1))
            if number > 0:
                layers.append(InstanceNorm(after))
            layers.append(nn.LeakyReLU(SLOPE))
            if halves and antialiased:
                layers.append(BlurPool())
        super().__init__(*layers, nn.Conv2d(channels[-1], num_styles, 4, padding=1))
        (init_xavier if antialiased else init_normal)(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def by_style(self) -> tuple[str, ...]:
        """Names of the weights that hold one entry per style: those of the score maps."""
        return tuple(f"{len(self) - 1}.{name}" for name in ("weight", "bias"))

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Slices (B, 1, H, W) and the numbers of their styles (B,), None for style 0, -> scores (B, 1, ~H/8, ~W/8)."""
        *convolutions, last = (layer for layer in self if isinstance(layer, nn.Conv2d))
        norms = [None, *(layer for layer in self if isinstance(layer, InstanceNorm))]
        blurs = [layer for layer in self if isinstance(layer, BlurPool)]
        for convolution, norm, blur in zip_longest(convolutions, norms, blurs):
            x = convolution(x)  # the LeakyReLU is done with the norm, and so is the blur-pool's reflection pad
            margin = 0 if blur is None else 1
            x = rectify(x, SLOPE, margin) if norm is None else norm(x, slope=SLOPE, margin=margin)
            x = x if blur is None else blur.blur(x)
        scores: Tensor = last(x)
        if style is None:
            return scores[:, :1]
        return scores.take_along_dim(style[:, None, None, None], dim=1)
