"""A frozen segmenter looks at slices while their translator trains.

Axes: B slices, H x W pixels of the translator, rows towards posterior and columns towards the patient's left, as
crossMoDA stores them; h x w pixels of the segmenter; K classes, R regions of the translator, background included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.errors import InputError
from tanq_monai.losses.segmentation import dice_and_cross_entropy
from tanq_monai.scans.grid import STORED
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.plan.plans import (
    network_from_plans,
    patch_size_from_plans,
    read_structures,
    space_from_plans,
)
from tanq_monai.structures import REGIONS, Regions, region_of
from tanq_monai.weights import load_weights


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

    The gradient goes through the segmenter to the slices and leaves the segmenter as it is. Classes that are one
    region to the translator, as intra- and extrameatal VS, are one here: their probabilities are added.

    Args:
        segmenter: (b, 1, y, x) -> logits (b, K, y, x); frozen here.
        view: of the slices.
        weight: of the loss.
        regions: of the K classes, 0 to R - 1.
    """

    def __init__(
        self, segmenter: nn.Module, view: SliceView, weight: float = 1.0, regions: Sequence[int] = (0, 1, 2)
    ) -> None:
        super().__init__()
        self.segmenter, self.view, self.weight = segmenter.eval().requires_grad_(False), view, weight
        self.classes = [[c for c, r in enumerate(regions) if r == region] for region in range(max(regions) + 1)]

    def train(self, mode: bool = True) -> "SegmenterFeedback":
        """Do nothing: a frozen segmenter stays in eval mode."""
        return self

    def forward(self, translation: Tensor, label_maps: Tensor) -> Tensor:
        """Weighted loss (B,) of slices (B, 1, H, W) with maps (B, 1, H, W) of the regions."""
        logits = self.view.logits(self.view.images(translation), self.segmenter)
        of_regions = torch.stack([logits[:, classes].logsumexp(dim=1) for classes in self.classes], dim=1)
        return self.weight * dice_and_cross_entropy(of_regions, self.view.labels(label_maps))


def feedback_from_folder(
    folder: str | Path,
    pixel_mm: float,
    weight: float = 1.0,
    device: torch.device | str = "cpu",
    regions: Regions = REGIONS,
) -> SegmenterFeedback:
    """The feedback of a trained segmenter of slices.

    Args:
        folder: ``model.pt``, ``plans.json``, ``dataset.json`` of a training.
        pixel_mm: of the translator's slices.
        weight: of the loss.
        device: of the segmenter.
        regions: of the translator.

    Raises:
        InputError: when the folder holds no trained model, or not one of axial slices and all regions.
    """
    folder = Path(folder)
    plans = folder / "plans.json"
    space = space_from_plans(plans)
    if len(space.spacing) != 2 or space.transpose != (0, 1, 2) or space.orientation != STORED:
        raise InputError(folder, "is no segmenter of axial slices", "train one with --configuration 2d")
    network = load_weights(network_from_plans(plans, folder / "dataset.json"), folder / "model.pt").to(device)
    rows, columns = space.spacing
    y, x = patch_size_from_plans(plans)
    view = SliceView(pixel_mm, (rows, columns), (y, x))
    return SegmenterFeedback(network, view, weight, _regions_of_classes(folder / "dataset.json", regions.numbers))


def _regions_of_classes(dataset_file: Path, regions: Mapping[str, int]) -> list[int]:
    """Background is class and region 0."""
    of_names = {region_of(name): value for name, value in read_structures(dataset_file).items()}
    foreign = [name for name in of_names if name not in regions]
    if foreign:
        problem = f"has {foreign[0]!r}, of no region of the translator"
        raise InputError(dataset_file, problem, f"give a segmenter of {' and '.join(regions)}")
    values = {0: 0} | {value: regions[region_of(name)] for name, value in read_structures(dataset_file).items()}
    missing = [name for name, region in regions.items() if region not in values.values()]
    if missing:
        raise InputError(dataset_file, f"has no {' and no '.join(missing)}", "give a segmenter of all structures")
    return [values[number] for number in sorted(values)]
