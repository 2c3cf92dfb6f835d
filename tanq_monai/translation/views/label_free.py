"""What it costs to translate without a label: the translation with the label is the measure.

Axes: Y x X pixels, Z slices.
"""

import math
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from tanq_monai.metrics.dice import dice
from tanq_monai.structures import REGIONS

AROUND_PIXELS = 12  # 5 mm at 0.41 mm per pixel

Cost = dict[str, dict[str, float | None]]


def label_free_cost(
    with_label: Tensor,
    label_free: Tensor,
    label: Tensor,
    prediction: Tensor,
    regions: Mapping[str, int] = REGIONS.numbers,
) -> Cost:
    """How far the translations lie apart, and how good the label map was that stood in for the label.

    Args:
        with_label: translation (Y, X, Z) in [-1, 1].
        label_free: translation of the same slices without their label.
        label: map of regions.
        prediction: the network's own label map.
        regions: numbers by name.

    Returns:
        For each region ``difference_inside`` and ``difference_around``, the mean absolute difference in magnitude
        [0, 1] over its pixels and over the unlabelled ones within :data:`AROUND_PIXELS` in its slices; ``dice`` of the
        prediction. None where a scan has no such structure.
    """
    difference = (with_label - label_free).abs() / 2
    cost: Cost = {}
    for name, value in regions.items():
        inside = label == value
        around = _grow(inside, AROUND_PIXELS) & (label == 0)
        score = dice(np.asarray((prediction == value).cpu()), np.asarray(inside.cpu()))
        cost[name] = {
            "difference_inside": _mean(difference[inside]),
            "difference_around": _mean(difference[around]),
            "dice": None if math.isnan(score) else score,
        }
    return cost


def cost_table(costs: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> pd.DataFrame:
    """One row per view and structure: how many scans have it, and the means over them.

    Args:
        costs: name of the view and what :func:`label_free_cost` found, for every scan.
    """
    scans: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for view, cost in costs:
        for structure, values in cost.items():
            scans.setdefault((view, structure), []).append(values)
    rows = []
    for (view, structure), of_scans in sorted(scans.items()):
        present = [values for values in of_scans if values["dice"] is not None]
        means = {key: fmean(values[key] for values in present) if present else math.nan for key in of_scans[0]}
        rows.append({"view": view, "structure": structure, "scans": len(present), **means})
    return pd.DataFrame(rows)


def _mean(values: Tensor) -> float | None:
    return values.mean().item() if values.numel() else None


def _grow(mask: Tensor, pixels: int) -> Tensor:
    """The pixels (Y, X, Z) of every slice that lie within a square of ``pixels`` to each side."""
    slices = mask.permute(2, 0, 1)[:, None].float()
    grown: Tensor = F.max_pool2d(slices, 2 * pixels + 1, stride=1, padding=pixels).bool()
    return torch.movedim(grown[:, 0], 0, -1)
