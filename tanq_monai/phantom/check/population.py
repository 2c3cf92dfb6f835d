"""Many measurements beside the published figures: rows with a verdict, and every value that lies outside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.check.measure import Measurement
from tanq_monai.phantom.check.published import RATIOS, Interval, Published

TOLERANCE = 0.15
"""How far the median of a ratio may be from the published one, as a part of it."""
_FEWEST = 5  # patients that judge a ratio
_SIDES = ("right", "left")


@dataclass(frozen=True)
class Row:
    """One figure of one group of scans.

    Args:
        group: of scans; "" for all.
        figure: name.
        published: percentiles 5, 25, 50, 75, 95, the two ends of an interval, one value, or nothing.
        values: measured ones without NaN.
        outside: one line for each value, or for the median, that lies outside what is published.
        is_judged: whether there is something to lie outside of.
        every: whether each value is judged, not their median.
    """

    group: str
    figure: str
    published: tuple[float, ...]
    values: NDArray[np.float64]
    outside: tuple[str, ...]
    is_judged: bool
    every: bool


def geometry_rows(measurements: Sequence[Measurement], published: Published) -> list[Row]:
    """Sizes and places: every patient within p5 to p95, in the finest of its scans, whose voxels are the contours'."""
    measurements = _finest(measurements)
    rows = []
    for figure, percentiles in published.geometry.items():
        values = list(_values(measurements, figure))
        rows.append(_every("", figure, percentiles, (percentiles[0], percentiles[-1]), values))
    apart = [value for _, value in _values(measurements, "cochleae apart")]
    rows.append(_median("", "cochleae apart", published.apart, published.apart, apart))
    return rows


def ratio_rows(measurements: Sequence[Measurement], published: Published) -> list[Row]:
    """Contrast ratios of every sequence: the median near the published value."""
    rows = []
    for sequence in sorted({m.sequence for m in measurements}):
        part = [m for m in measurements if m.sequence == sequence]
        for ratio in RATIOS:
            values = [value for _, value in _values(part, ratio)]
            value = published.ratios.get(sequence, {}).get(ratio)
            interval = None if value is None or len(values) < _FEWEST else _around(value)
            if values:
                rows.append(_median(sequence, ratio, () if value is None else (value,), interval, values))
    return rows


def scan_rows(measurements: Sequence[Measurement], published: Published, whole_scans: bool) -> list[Row]:
    """Voxel sizes, heights and shares of the voxels of every site and contrast: every scan within the interval.

    Args:
        measurements: of the scans.
        published: beside what.
        whole_scans: False for scans cut to a box, whose height and shares say nothing and are left out.
    """
    rows = []
    for group in sorted({m.group for m in measurements}):
        part = [m for m in measurements if m.group == group]
        spacing, voxels = published.spacing.get(group, {}), published.voxels.get(group, {})
        intervals = {name: spacing.get(name) for name in ("in plane", "between slices")}
        if whole_scans:
            intervals["height"] = published.slab.get(part[0].contrast)
            intervals |= {f"{name} voxels": voxels.get(name) for name in ("VS", "cochleae")}
        for figure, interval in intervals.items():
            rows.append(_every(group, figure, interval or (), interval, list(_values(part, figure))))
    return rows


def _finest(measurements: Sequence[Measurement]) -> list[Measurement]:
    """For every name the measurement with the smallest voxels in plane."""
    finest: dict[str, Measurement] = {}
    for m in measurements:
        if m.name not in finest or m.figures["in plane"] < finest[m.name].figures["in plane"]:
            finest[m.name] = m
    return list(finest.values())


def _values(measurements: Sequence[Measurement], figure: str) -> Iterator[tuple[str, float]]:
    """Who, and value; each side's where the figure is one of the cochlea's."""
    names = (
        [f"{side} {figure}" for side in _SIDES] if figure.startswith("cochlea ") and figure not in RATIOS else [figure]
    )
    for measurement in measurements:
        for name in names:
            value = measurement.figures.get(name, np.nan)
            if not np.isnan(value):
                yield f"{measurement.name}, {measurement.sequence}: {name}", value


def _every(
    group: str,
    figure: str,
    published: tuple[float, ...],
    interval: Interval | None,
    values: list[tuple[str, float]],
) -> Row:
    outside = (
        ()
        if interval is None
        else tuple(
            f"{who} {_short(value)}, published {_short(interval[0])} to {_short(interval[1])}"
            for who, value in values
            if not _within(value, interval)
        )
    )
    array = np.array([value for _, value in values])
    return Row(group, figure, published, array, outside, interval is not None, every=True)


def _median(
    group: str, figure: str, published: tuple[float, ...], interval: Interval | None, values: list[float]
) -> Row:
    array = np.array(values)
    outside: tuple[str, ...] = ()
    if interval is not None and values and not _within(float(np.median(array)), interval):
        where = f"{group}: {figure}" if group else figure
        limits = f"{_short(interval[0])} to {_short(interval[1])}"
        outside = (f"{where}, median of {len(values)}, {_short(float(np.median(array)))}, allowed {limits}",)
    return Row(group, figure, published, array, outside, interval is not None, every=False)


def _around(value: float) -> Interval:
    return value * (1 - TOLERANCE), value * (1 + TOLERANCE)


def _within(value: float, interval: Interval) -> bool:
    """Whether a value lies in an interval that is given to four digits."""
    low, high = interval
    return low * (1 - 1e-3) <= value <= high * (1 + 1e-3)


def _short(value: float) -> str:
    return f"{value:.4g}"
