"""How bright the structures may be in the translation: knowledge of the target protocol, not of its labels."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

LevelRanges = Mapping[int, Sequence[float]]


def level_loss(magnitude: Tensor, label_map: Tensor, ranges: LevelRanges) -> Tensor:
    """Squared distance of each structure's mean brightness, slice by slice, to the range it has in the target domain.

    A translation can pass for hrT2 while its VS is as bright as fluid: the discriminator hardly sees structures of
    0.03 % of the pixels. What a protocol makes of a tissue is known from its signal equation, or read off one scan.
    Ours; the paper has no such term.

    Args:
        magnitude: translated slices (B, 1, H, W) in [0, 1], where 1 is the brightest fluid.
        label_map: (B, 1, H, W).
        ranges: lowest and highest mean magnitude by label.

    Returns:
        (B,), the sum over the structures of each slice; 0 for one that the slice does not hold.
    """
    loss = magnitude.new_zeros(len(magnitude))
    for value, (lowest, highest) in ranges.items():
        inside = label_map == value
        count = inside.sum(dim=(1, 2, 3))
        level = (magnitude * inside).sum(dim=(1, 2, 3)) / count.clamp(min=1)
        distance = torch.relu(lowest - level) + torch.relu(level - highest)  # one of them is 0
        loss = loss + distance.square() * (count > 0)
    return loss
