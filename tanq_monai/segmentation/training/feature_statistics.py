"""Feature statistics of no scanner: channels of the encoder's first stages with drawn means and deviations (TriD).

Axes: B batch, C channels, then space.
"""

import torch
from torch import Tensor, nn

from tanq_monai.errors import InputError

STAGES = 2  # of the encoder, from the input on
_EPSILON = 1e-6  # added to a variance


class RandomStatistics:
    r"""A forward hook that gives channels other means and deviations while its module is trained.

    .. math:: y = \frac{x - \mu}{\sigma} s + m, \quad m, s \sim U(0, 1)

    for a share of the samples, and in these for every channel that a fair coin chooses; all else stays as it is. No
    gradient goes through :math:`\mu` and :math:`\sigma`. Draws are torch's global ones, which
    :class:`~tanq_monai.segmentation.training.batches.EpochLoader` seeds for every step.

    Args:
        share: of the samples, 0 to 1.

    References:
        Chen et al., "Treasure in Distribution: a domain randomization based multi-source domain generalization for 2D
        medical image segmentation", MICCAI 2023. There a whole batch is changed or not, here each sample by itself.
        There the coin's probability is drawn from Beta(.1, .1) for every throw, which makes it a fair one.
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, module: nn.Module, _: object, features: Tensor) -> Tensor:
        """Features (B, C, ...) in any float type and memory format, which the result has too."""
        if not module.training:
            return features
        channels = (*features.shape[:2], *(1 for _ in features.shape[2:]))
        chosen = torch.rand(len(features), device=features.device) < self.share
        coin = torch.rand(channels, device=features.device) < 0.5
        changed = coin & chosen.view(-1, *(1 for _ in channels[1:]))
        mean, deviation = torch.rand(2, *channels, device=features.device)
        return with_statistics(features, mean, deviation, changed)


def with_statistics(features: Tensor, mean: Tensor, deviation: Tensor, changed: Tensor) -> Tensor:
    """Features (B, C, ...), of which some channels get this mean and standard deviation; a flat one becomes its mean.

    Args:
        features: in any float type, in which they are returned; statistics are float32.
        mean: (B, C, 1, ...).
        deviation: as ``mean``.
        changed: as ``mean``; of the others neither a value nor a gradient changes.
    """
    axes = tuple(range(2, features.ndim))
    variance, old = torch.var_mean(features.detach().float(), dim=axes, correction=0, keepdim=True)
    scale = torch.where(changed, deviation / (variance + _EPSILON).sqrt(), 1.0)
    shift = torch.where(changed, mean - scale * old, 0.0)
    return (features * scale + shift).to(features.dtype)


def draw_statistics(network: nn.Module, share: float) -> None:
    """Let a network of nnU-Net's, changed in place, draw statistics in this share of the patches while it is trained.

    Behind each of the first two stages, of full and of half resolution, which draw apart from each other; skip
    connections get what is drawn, too. There a channel's mean and deviation tell of levels and contrast, which are the
    scanner's; in deeper stages they tell what is seen. The paper takes the first two of its four stages, too. Weights,
    their names, and the network outside of trainings stay as they are.

    nnU-Net normalises behind every convolution. That takes all of the drawn means away again but for the border of a
    patch, and what is left of the draws is how much each channel counts.

    Raises:
        InputError: for a network whose encoder has no stages.
    """
    if not share:
        return
    stages = getattr(getattr(network, "encoder", None), "stages", None)
    if not isinstance(stages, nn.Sequential):
        problem = f"{type(network).__name__} has no encoder with stages"
        raise InputError("feature_statistics", problem, "choose 0, or one of nnU-Net's own U-Nets")
    for stage in stages[:STAGES]:
        stage.register_forward_hook(RandomStatistics(share))
