"""VPTTA: a prompt on a scan's low frequencies makes the network's features those of the training's scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tanq_monai.segmentation.inference.inferer import Network
from tanq_monai.segmentation.inference.test_time.inferer import Adapted
from tanq_monai.segmentation.inference.test_time.prompt import prompt_shape, prompted
from tanq_monai.segmentation.inference.test_time.source_statistics import (
    SourceStatistics,
    middle_windows,
    read_statistics,
    spread_slices,
    watched,
)

_RATE, _BETAS = 0.05, (0.9, 0.99)  # of Adam


@dataclass(frozen=True)
class Vptta:
    """Adapts the image, and leaves the network.

    A scan has one prompt, which begins at 1: shading is the scanner's, not a slice's. Adam makes one step for each of
    eight slices from one end to the other, and the last prompt is that of all slices. So no scan depends on others.

    Args:
        statistics: of the training's scans.

    References:
        Chen et al., "Each Test Image Deserves A Specific Prompt: Continual Test-Time Adaptation for 2D Medical Image
        Segmentation", CVPR 2024. There an image is a test of its own, with one step, and its prompt begins as a mean of
        those of 16 similar images of the last 40; here earlier slices of the same scan take the place of that memory.
        There batch norms mix both statistics at first, by 1 / (sqrt(n) / 5 + 1); instance norms have none to mix, and
        in the loss that would scale all differences alike, which Adam's steps do not show.
    """

    statistics: SourceStatistics

    @classmethod
    def of_model(cls, model_dir: str | Path) -> "Vptta":
        """With the statistics beside ``model.pt``."""
        return cls(read_statistics(model_dir))

    @torch.no_grad()
    def __call__(self, volume: Tensor, network: Network, window: Sequence[int]) -> Adapted:
        """(1, 1, z, y, x) -> the same with its prompt. Kept back where the loss did not fall on the slices together."""
        height, width = volume.shape[3:]
        prompt = nn.Parameter(torch.ones(prompt_shape((height, width)), device=volume.device))
        optimizer = torch.optim.Adam([prompt], lr=_RATE, betas=_BETAS)
        slices = spread_slices(volume)
        before = self._loss(slices, network, window)
        with torch.enable_grad():
            for number in range(slices.shape[2]):
                seen = self._loss(prompted(slices[:, :, number : number + 1], prompt), network, window)
                (prompt.grad,) = torch.autograd.grad(seen, prompt)
                optimizer.step()
        found = prompt.detach()
        after = self._loss(prompted(slices, found), network, window)
        doubt = "" if after < before else f"the loss did not fall ({before.item():.4f} to {after.item():.4f})"
        return Adapted(prompted(volume, found), network, doubt)

    def _loss(self, slices: Tensor, network: Network, window: Sequence[int]) -> Tensor:
        """Of the middle windows of slices, (1, 1, n, y, x)."""
        with watched(network) as seen, torch.autocast(slices.device.type, enabled=False):
            network(middle_windows(slices, window))
            return self.statistics.distance(seen)
