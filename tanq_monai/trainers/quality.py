"""What is measured of a translator while it trains, each time on the same few slices.

Axes: N slices, channels (image in [-1, 1], label map), H x W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tanq_monai.losses.levels import LevelRanges
from tanq_monai.metrics.sliced_wasserstein import patch_distance
from tanq_monai.metrics.translation import (
    Image,
    Labels,
    Mask,
    border_auc,
    contrast_ratio,
    distance_to_range,
    head_mask,
    psnr,
    ratio_to_reference,
    ssim,
    surroundings,
)
from tanq_monai.structures import REGIONS
from tanq_monai.translation.magnitude import to_magnitude
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.slices import Slices, SliceSize

Translate = Callable[[Tensor, Tensor], Tensor]
"""Source slices (N, 2, H, W) and the style of each (N,) -> their translation (N, 1, H, W) in [-1, 1]."""

Values = dict[str, float]
_SHOWN = 4  # slices in a picture


@dataclass(frozen=True)
class Findings:
    """What a check found.

    Attributes:
        values: by name; nan where nothing could be measured.
        picture: (1, rows, columns) in [0, 1]: a row for each of the first slices, source | translation | hrT2.
    """

    values: Values
    picture: Tensor


class Check(Protocol):
    """Measures a translator; the same each time."""

    def __call__(self, translate: Translate) -> Findings:
        """Call after a number of epochs, when all scans have been read."""


class UnpairedQuality:
    """Of slices that hold structures, translated, against their labels and against real hrT2 of the same height.

    Per structure, mean over the slices that hold it, magnitudes in [0, 1]:

    * ``kept_{structure}``: :func:`~tanq_monai.metrics.translation.border_auc`; 0.5 is chance;
    * ``level_{structure}``: mean magnitude; ``off_range_{structure}``: its distance to the range of the slice's style;
    * ``contrast_{structure}``: its level over the head's median.

    Of all slices together: ``distance`` to the real hrT2 by
    :func:`~tanq_monai.metrics.sliced_wasserstein.patch_distance`, and ``distance_untranslated``, that of the source
    slices, where it started; ``level_head`` and ``level_head_real``, the head's median in translation and real hrT2.

    The slices are ones of the training's scans: hrT2 has no labels that one could validate with.

    Args:
        dataset: gives pairs of slices of (epoch, index), as :class:`tanq_monai.translation.slices.UnpairedSlices` does.
        num_slices: of each domain.
        level_ranges: lowest and highest level of each structure in each style, where known.
        seed: of the places of the patches.
        regions: numbers of the structures by name.
    """

    def __init__(
        self,
        dataset: Dataset[dict[str, Tensor]],
        num_slices: int = 32,
        level_ranges: Sequence[LevelRanges] | None = None,
        seed: int = 0,
        regions: Mapping[str, int] = REGIONS.numbers,
    ) -> None:
        self.dataset, self.num_slices, self.level_ranges, self.seed = dataset, num_slices, level_ranges or (), seed
        self.regions = regions

    def __call__(self, translate: Translate) -> Findings:
        """Measure."""
        batch = self._batch
        source, labels, real = _image(batch["image"]), _labels(batch["image"]), _image(batch["target_domain"])
        translation = _image(translate(batch["image"], batch["style"]))
        styles = batch["style"].tolist()
        rows = [self._slice_values(*row) for row in zip(translation, labels, source, styles, strict=True)]
        values = _means(rows) | {
            "level_head": _median(translation, head_mask(source)),
            "level_head_real": _median(real, head_mask(real)),
            "distance": patch_distance(translation, real, seed=self.seed),
            "distance_untranslated": patch_distance(source, real, seed=self.seed),
        }
        return Findings(values, _picture(source, translation, real))

    @cached_property
    def _batch(self) -> dict[str, Tensor]:
        """Read when it is first needed: an epoch has then read all scans, and training could start at once."""
        return _first_with_structures(self.dataset, [(0, i) for i in range(len(self.dataset))], self.num_slices)  # type: ignore[arg-type]

    def _slice_values(self, image: Image, labels: Labels, source: Image, style: int) -> Values:
        ranges = self.level_ranges[style] if style < len(self.level_ranges) else {}
        head, values = head_mask(source), {}
        for name, value in self.regions.items():
            if not (labels == value).any():
                continue
            level = float(image[labels == value].mean())
            values[f"kept_{name}"] = border_auc(image, labels, value)
            values[f"level_{name}"] = level
            values[f"contrast_{name}"] = contrast_ratio(image, labels, value, head)
            if value in ranges:
                values[f"off_range_{name}"] = distance_to_range(level, *ranges[value])
        return values


class PairedQuality:
    """Of patients with both contrasts, which the phantom has: the translation against the true hrT2.

    ``paired_ssim`` and ``paired_psnr`` (dB): in the head. ``paired_contrast_error_{structure}`` and
    ``..._around_{structure}``: absolute difference between translation and truth of the mean inside the structure, and
    in a ring round it, over the head's median. Means over the slices.

    Args:
        pairs: slices (3, H, W): ceT1, label map, hrT2, as :class:`tanq_monai.translation.pairs.PairStore` has them.
        num_slices: how many of them are used, of those that hold structures.
        seed: of which they are.
        regions: numbers of the structures by name.
    """

    def __init__(
        self, pairs: Slices, num_slices: int = 32, seed: int = 0, regions: Mapping[str, int] = REGIONS.numbers
    ) -> None:
        self.pairs, self.num_slices, self.seed, self.regions = pairs, num_slices, seed, regions

    def __call__(self, translate: Translate) -> Findings:
        """Measure."""
        slices, style = self._batch["image"], self._batch["style"]
        source, labels, truth = _image(slices), _labels(slices), _image(slices[:, 2:])
        translation = _image(translate(slices[:, :2], style))
        rows = [_slice_errors(*row, self.regions) for row in zip(translation, truth, labels, strict=True)]
        return Findings(_means(rows), _picture(source, translation, truth))

    @cached_property
    def _batch(self) -> dict[str, Tensor]:
        order = np.random.default_rng(self.seed).permutation(len(self.pairs)).tolist()
        return _first_with_structures(_WithStyle(self.pairs), order, self.num_slices)


def paired_quality(
    paired_dir: str | Path | None,
    size: SliceSize,
    folder: str | Path,
    styles: Sequence[str] = ("",),
    num_slices: int = 32,
    seed: int = 0,
) -> list[PairedQuality]:
    """The check of the pairs in a folder as one in a list, which is empty where there is no folder.

    Args:
        paired_dir: as ``python -m tanq_monai phantom --paired`` writes it; None: no pairs.
        size: of the slices, and what their labels are.
        folder: keeps the slices of every pair.
        styles: of hrT2, parts of the cases' names.
        num_slices: how many are used.
        seed: of which they are.

    Raises:
        InputErrors: for every pair that cannot be used.
    """
    if paired_dir is None:
        return []
    scan = find_pairs(paired_dir, size.structures)
    scan.raise_problems()
    pairs = PairStore(scan.cases, size, folder, styles)
    return [PairedQuality(pairs, num_slices, seed, size.structures.regions().numbers)]


class _WithStyle(Dataset[dict[str, Tensor]]):
    def __init__(self, slices: Slices) -> None:
        self.slices = slices

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"image": self.slices[index], "style": torch.tensor(int(self.slices.styles[index]))}


def _first_with_structures(
    dataset: Dataset[dict[str, Tensor]], order: Sequence[Any], num_slices: int
) -> dict[str, Tensor]:
    """The first items whose label map is not empty; where there are none, the first ones."""
    items: list[dict[str, Tensor]] = []
    for place in order:
        item = dataset[place]
        if item["image"][1].any():
            items.append(item)
        if len(items) == num_slices:
            break
    items = items or [dataset[place] for place in order[:num_slices]]
    return {key: torch.stack([item[key] for item in items]) for key in items[0]}


def _slice_errors(image: Image, truth: Image, labels: Labels, regions: Mapping[str, int]) -> Values:
    head = head_mask(truth)
    brain = head & (labels == 0)
    values = {"paired_ssim": ssim(image, truth, head), "paired_psnr": psnr(image, truth, head)}
    for name, value in regions.items():
        places = {f"paired_contrast_error_{name}": labels == value}
        places[f"paired_contrast_error_around_{name}"] = surroundings(labels, value)
        for key, place in places.items():
            values[key] = abs(ratio_to_reference(image, place, brain) - ratio_to_reference(truth, place, brain))
    return values


def _means(rows: Sequence[Values]) -> Values:
    """Of each value over the slices that have it."""
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, []).extend([] if np.isnan(value) else [value])
    return {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}


def _median(image: Image, mask: Mask) -> float:
    return float(np.median(image[mask])) if mask.any() else float("nan")


def _image(slices: Tensor) -> Image:
    array: Image = to_magnitude(slices[:, 0]).cpu().numpy()
    return array


def _labels(slices: Tensor) -> Labels:
    array: Labels = slices[:, 1].round().cpu().numpy().astype(np.uint8)
    return array


def _picture(*columns: Image) -> Tensor:
    rows = [np.concatenate(row, axis=1) for row in zip(*(column[:_SHOWN] for column in columns), strict=True)]
    return torch.from_numpy(np.concatenate(rows, axis=0))[None]
