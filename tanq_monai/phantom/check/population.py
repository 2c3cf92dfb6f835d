"""Many measurements beside the published figures: rows with a verdict, and every value that lies outside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.published import Interval, published
from tanq_monai.phantom.check.measure import Measurement
from tanq_monai.phantom.check.published import RATIOS, published_scans

TOLERANCE = 0.15
"""How far the median of a ratio may be from the published one, as a part of it."""
_FEWEST = 5  # patients that judge a ratio
FEWEST_FOR_MEDIAN = 20
"""Patients that judge the median of a size or place."""
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
        shifted: a line if each value is judged and their median as well, and it lies outside; else "".
    """

    group: str
    figure: str
    published: tuple[float, ...]
    values: NDArray[np.float64]
    outside: tuple[str, ...]
    is_judged: bool
    every: bool
    shifted: str = ""

    @property
    def failures(self) -> tuple[str, ...]:
        """One line for everything that is not as published."""
        return (*self.outside, self.shifted) if self.shifted else self.outside


def geometry_rows(measurements: Sequence[Measurement]) -> list[Row]:
    """Sizes and places: every patient within p5 to p95, and the median of many within p25 to p75.

    A patient counts once, in the finest of its scans with that label, whose voxels are the contours'. Rejection brings
    any distribution within p5 to p95; its median tells a wrong one.
    """
    rows = []
    for figure, percentiles in published().geometry.items():
        p5, p25, _, p75, p95 = percentiles
        finest = {name: _finest(measurements, name) for name in _names(figure)}
        values = [value for name, part in finest.items() for value in _values(part, name)]
        row = _every("", figure, percentiles, (p5, p95), values)
        if max(len(part) for part in finest.values()) >= FEWEST_FOR_MEDIAN:
            row = replace(row, shifted=_outside_median(figure, row.values, (p25, p75)))
        rows.append(row)
    apart = [value for _, value in _values(_finest(measurements, "cochleae apart"), "cochleae apart")]
    rows.append(_median("", "cochleae apart", published().apart, published().apart, apart))
    return rows


def ratio_rows(measurements: Sequence[Measurement]) -> list[Row]:
    """Contrast ratios of every sequence: the median near the published value, or near or between the two."""
    rows = []
    for sequence in sorted({m.sequence for m in measurements}):
        part = [m for m in measurements if m.sequence == sequence]
        for ratio in RATIOS:
            values = [value for _, value in _values(part, ratio)]
            expected = published_scans().ratio(sequence, ratio)
            interval = _around(expected) if expected and len(values) >= _FEWEST else None
            if values:
                rows.append(_median(sequence, ratio, expected, interval, values))
    return rows


def scan_rows(measurements: Sequence[Measurement], whole_scans: bool) -> list[Row]:
    """Voxel sizes, heights and shares of the voxels of every site and contrast: every scan within the interval.

    Args:
        measurements: of the scans.
        whole_scans: False for scans cut to a box, whose height and shares say nothing and are left out.
    """
    rows, published = [], published_scans()
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


def _finest(measurements: Sequence[Measurement], figure: str) -> list[Measurement]:
    """For every patient, of the measurements that have the figure, that with the smallest voxels in plane."""
    finest: dict[str, Measurement] = {}
    for m in measurements:
        if np.isnan(m.figures.get(figure, np.nan)):
            continue
        if m.name not in finest or m.figures["in plane"] < finest[m.name].figures["in plane"]:
            finest[m.name] = m
    return list(finest.values())


def _names(figure: str) -> list[str]:
    """Under which a figure of the geometry is measured: for each side if it is one of the cochlea's."""
    return [f"{side} {figure}" for side in _SIDES] if figure.startswith("cochlea ") else [figure]


def _values(measurements: Sequence[Measurement], figure: str) -> Iterator[tuple[str, float]]:
    """Who, and value."""
    for measurement in measurements:
        value = measurement.figures.get(figure, np.nan)
        if not np.isnan(value):
            yield f"{measurement.name}, {measurement.sequence}: {figure}", value


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
    where = f"{group}: {figure}" if group else figure
    line = _outside_median(where, array, interval) if interval is not None and values else ""
    return Row(group, figure, published, array, (line,) if line else (), interval is not None, every=False)


def _outside_median(where: str, values: NDArray[np.float64], interval: Interval) -> str:
    """A line if the median lies outside the interval, else nothing."""
    median = float(np.median(values))
    if _within(median, interval):
        return ""
    limits = f"{_short(interval[0])} to {_short(interval[1])}"
    return f"{where}, median of {len(values)}, {_short(median)}, allowed {limits}"


def _around(values: Sequence[float]) -> Interval:
    return min(values) * (1 - TOLERANCE), max(values) * (1 + TOLERANCE)


def _within(value: float, interval: Interval) -> bool:
    """Whether a value lies in an interval that is given to four digits."""
    low, high = interval
    return low * (1 - 1e-3) <= value <= high * (1 + 1e-3)


def _short(value: float) -> str:
    return f"{value:.4g}"
