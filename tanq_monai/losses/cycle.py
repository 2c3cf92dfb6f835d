"""What ties CycleGAN's two translations to their slices: there and back again, and leaving alone what fits already."""

from torch import Tensor
from torch.nn import functional as F


def cycle_loss(image: Tensor, again: Tensor) -> Tensor:
    """Mean of ``|F(G(x)) - x|``: a slice translated to the other domain and back is the slice.

    Args:
        image: slices x of one domain, (B, 1, H, W) in [-1, 1].
        again: the same ones, there and back.

    References:
        Zhu et al., ICCV 2017, Eq. 2, one of its two directions.
    """
    return F.l1_loss(again, image)


def identity_loss(image: Tensor, kept: Tensor) -> Tensor:
    """Mean of ``|G(y) - y|``: a generator changes nothing of a slice of the domain that it translates to.

    Without it, CycleGAN may invert the grey scale and invert it back.

    Args:
        image: slices y of the generator's target, (B, 1, H, W) in [-1, 1].
        kept: what it makes of them.

    References:
        Zhu et al., ICCV 2017, section 5.2, one of its two directions.
    """
    return F.l1_loss(kept, image)
