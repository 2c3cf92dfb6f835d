"""A frozen segmenter looks at slices while their translator trains.

Axes: B slices, H x W pixels of the translator, rows towards posterior and columns towards the patient's left, as
crossMoDA stores them; h x w pixels of the segmenter, K classes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.data.weights import load_weights
from tanq_monai.errors import InputError
from tanq_monai.losses.segmentation import dice_and_cross_entropy
from tanq_monai.segmentation.inferer import PlanInferer
from tanq_monai.segmentation.plans import network_from_plans, patch_size_from_plans, space_from_plans


@dataclass(frozen=True)
class SliceView:
    """How slices of a translator become what a segmenter of slices takes, and its windows on them.

    Attributes:
        pixel_mm: of the translator's pixels, both ways.
        spacing: mm of the segmenter's pixels, rows and columns.
        window: pixels of its patch.
        overlap: at least this fraction of neighbouring windows.
    """

    pixel_mm: float
    spacing: tuple[float, float]
    window: tuple[int, int]
    overlap: float = 0.5

    def images(self, slices: Tensor) -> Tensor:
        """(B, 1, H, W) of any scale -> (B, 1, h, w) of mean 0 and standard deviation 1 each, with gradient.

        The segmenter z-scores whole volumes, of which a step of training has a slice here and there. A slice by itself
        keeps slices independent of each other, and of the scale and the offset that the volume's z-score would take
        away, too. How far off that is: docs/feedback.md.
        """
        mean = slices.mean(dim=(2, 3), keepdim=True)
        deviation = slices.std(dim=(2, 3), keepdim=True, correction=0).clamp(min=1e-8)
        size = self._size(slices)
        return F.interpolate((slices - mean) / deviation, size=size, mode="bilinear", align_corners=False)

    def labels(self, label_maps: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, h, w), nearest neighbours."""
        nearest = F.interpolate(label_maps.float(), size=self._size(label_maps), mode="nearest-exact")
        return nearest[:, 0].round().long()

    def logits(self, images: Tensor, network: nn.Module) -> Tensor:
        """(B, 1, h, w) -> (B, K, h, w), through the windows of the segmenter's own inference."""
        windows = PlanInferer(self.window, sw_batch_size=len(images), overlap=self.overlap)
        return windows(images.movedim(0, 1)[None], network)[0].movedim(1, 0)

    def _size(self, slices: Tensor) -> list[int]:
        """As nnU-Net rounds it."""
        return [round(n * self.pixel_mm / mm) for n, mm in zip(slices.shape[2:], self.spacing, strict=True)]


class SegmenterFeedback(nn.Module):
    """What a frozen segmenter makes of translated slices, against the labels of the slices they were made of.

    The gradient goes through the segmenter to the slices and leaves the segmenter as it is.

    Args:
        segmenter: (b, 1, y, x) -> logits (b, K, y, x); frozen here.
        view: of the slices.
        weight: of the loss.
    """

    def __init__(self, segmenter: nn.Module, view: SliceView, weight: float = 1.0) -> None:
        super().__init__()
        self.segmenter, self.view, self.weight = segmenter.eval().requires_grad_(False), view, weight

    def train(self, mode: bool = True) -> "SegmenterFeedback":
        """Do nothing: a frozen segmenter stays in eval mode."""
        return self

    def forward(self, translation: Tensor, label_maps: Tensor) -> Tensor:
        """Weighted loss (B,) of slices (B, 1, H, W) with label maps (B, 1, H, W).

        Raises:
            InputError: when the segmenter does not know a label.
        """
        labels = self.view.labels(label_maps)
        logits = self.view.logits(self.view.images(translation), self.segmenter)
        if int(labels.max()) >= logits.shape[1]:
            problem = f"label {int(labels.max())} is none of the segmenter's {logits.shape[1]} classes"
            raise InputError("segmenter_dir", problem, "give one that was trained on the same structures")
        return self.weight * dice_and_cross_entropy(logits, labels)


def feedback_from_folder(
    folder: str | Path, pixel_mm: float, weight: float = 1.0, device: torch.device | str = "cpu"
) -> SegmenterFeedback:
    """The feedback of a trained segmenter of slices.

    Args:
        folder: ``model.pt``, ``plans.json``, ``dataset.json`` of a training.
        pixel_mm: of the translator's slices.
        weight: of the loss.
        device: of the segmenter.

    Raises:
        InputError: when the folder holds no trained model, or not one of axial slices.
    """
    folder = Path(folder)
    plans = folder / "plans.json"
    space = space_from_plans(plans)
    if len(space.spacing) != 2 or space.transpose != (0, 1, 2):
        raise InputError(folder, "is no segmenter of axial slices", "train one with --configuration 2d")
    network = load_weights(network_from_plans(plans, folder / "dataset.json"), folder / "model.pt").to(device)
    rows, columns = space.spacing
    y, x = patch_size_from_plans(plans)
    return SegmenterFeedback(network, SliceView(pixel_mm, (rows, columns), (y, x)), weight)
