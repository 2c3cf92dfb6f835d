"""Volumes over the years as marks of a drawing: SVG units from the upper left corner."""

import math
from dataclasses import dataclass

from tanq_monai.growth.course import Course

WIDTH, HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 16, 36  # margins
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Mark:
    """A visit: where it stands, the ends of its interval, and the day below it."""

    x: float
    y: float
    low: float
    high: float
    day: str


@dataclass(frozen=True)
class Plot:
    """A drawing.

    Attributes:
        marks: of the visits with a VS.
        ticks: heights of the lines across, and the ml that they stand for.
    """

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]


def plot_of(course: Course) -> Plot:
    """Days to the right, ml upwards from 0."""
    shown = [(visit, course.noise.volume(visit.ml)) for visit in course.visits if visit.ml]
    first, last = course.visits[0].day, course.visits[-1].day
    step = _round_step(max((interval.high for _, interval in shown), default=1.0))
    top = step * math.ceil(max((interval.high for _, interval in shown), default=1.0) / step)

    def across(days: int) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * days / (last - first).days, 1)

    def up(ml: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * ml / top, 1)

    marks = (
        Mark(across((visit.day - first).days), up(visit.ml), up(interval.low), up(interval.high), str(visit.day))
        for visit, interval in shown
    )
    ticks = ((up(number * step), f"{number * step:g}") for number in range(round(top / step) + 1))
    return Plot(tuple(marks), tuple(ticks))


def _round_step(high: float) -> float:
    """The distance of some five ticks, a round number of ml."""
    unit = 10.0 ** math.floor(math.log10(high / 5))
    return next(step * unit for step in _STEPS if step * unit >= high / 5 * (1 - 1e-9))
