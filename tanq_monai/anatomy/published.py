"""The figures of ``published.yaml``, beside which patients and labels are put."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

Interval = tuple[float, float]


@dataclass(frozen=True)
class Published:
    """What is published about patients.

    Args:
        geometry: figure to its percentiles 5, 25, 50, 75, 95, mm or mm^3.
        apart: of a patient's cochleae, mm: an interval for the median.
        canal_mm: mean length of the internal auditory canal.
        vs_mm3: volume of the VS, percentiles 1 and 99.
        cochlea_mm3: volume of one cochlea, percentiles 1 and 99.
        vs_to_cochlea_mm: between the centroids of VS and nearest cochlea, smallest and largest.
        cochleae_apart_mm: between the centroids of both cochleae, found in part perhaps.
        fragment_mm3: half of the smallest cochlea: what is smaller is no structure.
    """

    geometry: Mapping[str, tuple[float, ...]]
    apart: Interval
    canal_mm: float
    vs_mm3: Interval
    cochlea_mm3: Interval
    vs_to_cochlea_mm: Interval
    cochleae_apart_mm: Interval
    fragment_mm3: float


@cache
def published() -> Published:
    """Read the figures."""
    data = yaml.safe_load(resources.files(__package__).joinpath("published.yaml").read_text(encoding="utf-8"))
    ends = data["ends"]
    return Published(
        geometry={figure: tuple(values) for figure, values in data["geometry"].items()},
        apart=tuple(data["apart"]),
        canal_mm=data["canal"],
        vs_mm3=tuple(ends["VS volume"]),
        cochlea_mm3=tuple(ends["cochlea volume"]),
        vs_to_cochlea_mm=tuple(ends["VS to cochlea"]),
        cochleae_apart_mm=tuple(ends["cochleae apart"]),
        fragment_mm3=ends["smallest cochlea"] / 2,
    )
