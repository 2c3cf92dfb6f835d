"""Least-squares adversarial losses (Mao et al., ICCV 2017): real is 1, fake is 0."""

from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean of the real and the fake term, ``((D(real) - 1)^2 + D(fake)^2) / 2``; scores of any shape."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def generator_loss(fake: Tensor) -> Tensor:
    """``(D(fake) - 1)^2``: low where the discriminator takes the fake for real."""
    return (fake - 1).square().mean()
