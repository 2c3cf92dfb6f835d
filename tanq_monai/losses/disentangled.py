"""What keeps content and style of a slice apart: each can be read off again wherever it was put."""

from torch import Tensor
from torch.nn import functional as F


def reconstruction_loss(image: Tensor, rebuilt: Tensor) -> Tensor:
    """Mean of ``|D(c(x), s(x)) - x|``: content and style of a slice make the slice.

    Args:
        image: slices x, (B, 1, H, W) in [-1, 1].
        rebuilt: the same ones, decoded.

    References:
        Huang et al., "Multimodal Unsupervised Image-to-Image Translation" (MUNIT), ECCV 2018, Eq. 1.
    """
    return F.l1_loss(rebuilt, image)


def latent_loss(given: Tensor, found: Tensor) -> Tensor:
    """Mean of ``|c(D(c, s)) - c|``, or of ``|s(D(c, s)) - s|``: what a translation was made of is found in it.

    What was given has no gradient: else it would come towards what is found.

    Args:
        given: content (B, C, H, W) or style codes (B, numbers) that a slice was made of.
        found: what the encoder finds in that slice, of the same shape.

    References:
        Huang et al., ECCV 2018, Eq. 2 and 3, where given styles are random draws.
    """
    return F.l1_loss(found, given.detach())
