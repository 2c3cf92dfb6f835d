"""The course of a VS: visits in order, and what lies between two of them, in numbers and words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from tanq_monai.anatomy.koos import Koos
from tanq_monai.growth.noise import Interval, Noise

FLAGGED = 0.2
"""A change of the volume by so much is flagged: 20 %, as trials of VS count a progression by volume."""

YEAR = 365.25  # days


@dataclass(frozen=True)
class Visit:
    """A dated label.

    Attributes:
        case: its name.
        day: of the scan.
        ml: volume of the VS; 0 where none was found.
        side: of the VS, right or left; None where it is not known.
        remarks: what speaks against the label.
        koos: the grade that was estimated; of a label without its scan there is none.
    """

    case: str
    day: date
    ml: float
    side: str | None = None
    remarks: tuple[str, ...] = ()
    koos: Koos = field(default_factory=Koos)


@dataclass(frozen=True)
class Change:
    r"""What lies between two visits.

    Attributes:
        before: the earlier visit.
        after: the later one.
        ratio: of the volumes; None where they cannot be compared.
    """

    before: Visit
    after: Visit
    ratio: Interval | None

    @property
    def years(self) -> float:
        """Between the visits."""
        return (self.after.day - self.before.day).days / YEAR

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval of the ratio leaves out 1: repeated scans of an unchanged VS hardly differ so much."""
        return self.ratio is not None and not self.ratio.low <= 1 <= self.ratio.high

    @property
    def flagged(self) -> bool:
        """Whether the volume has changed by :data:`FLAGGED` or more, up or down."""
        return self.ratio is not None and round(abs(self.ratio.value - 1), 9) >= FLAGGED

    @property
    def doubling_years(self) -> Interval | None:
        r"""Volume doubling time :math:`t \ln 2 / \ln r`, years; None unless the VS is larger beyond the noise."""
        if self.ratio is None or self.ratio.low <= 1:
            return None
        value, high, low = (self._doubling(ratio) for ratio in self.ratio)
        return Interval(value, low, high)

    @property
    def doubling_at_least(self) -> float | None:
        """Years that doubling takes at least, by the upper bound of the ratio; None where nothing speaks for growth."""
        return None if self.ratio is None or self.ratio.high <= 1 else self._doubling(self.ratio.high)

    @property
    def verdict(self) -> str:
        """In words; growth is said only where noise does not explain it."""
        if self.ratio is None:
            return self._why_not
        by = f"{100 * (self.ratio.value - 1):+.0f} %"
        between = f"{100 * (self.ratio.low - 1):+.0f} to {100 * (self.ratio.high - 1):+.0f} %"
        flag = f", {100 * FLAGGED:.0f} % or more" if self.flagged else ""
        if not self.beyond_noise:
            return f"no change beyond the noise ({by}{flag}; {between})"
        word = "larger" if self.ratio.value > 1 else "smaller"
        return f"{word} beyond the noise ({by}{flag}; {between})"

    @property
    def _why_not(self) -> str:
        missing = [visit.case for visit in (self.before, self.after) if not visit.ml]
        if missing:
            return f"not measured: no VS was found in {' and '.join(missing)}"
        sides = " and ".join(f"{visit.side} in {visit.case}" for visit in (self.before, self.after))
        return f"not measured: the VS is {sides}"

    def _doubling(self, ratio: float) -> float:
        return self.years * math.log(2) / math.log(ratio)


@dataclass(frozen=True)
class Course:
    """Visits in the order of their days, two at least, and the noise of their volumes."""

    visits: tuple[Visit, ...]
    noise: Noise

    @property
    def steps(self) -> list[Change]:
        """From every visit to the next."""
        return [self.change(before, after) for before, after in pairwise(self.visits)]

    @property
    def whole(self) -> Change:
        """From the first to the last visit."""
        return self.change(self.visits[0], self.visits[-1])

    def change(self, before: Visit, after: Visit) -> Change:
        """Between two visits; volumes of two sides, or of none, are not compared."""
        sides = {before.side, after.side} - {None}
        known = bool(before.ml and after.ml) and len(sides) < 2
        return Change(before, after, self.noise.ratio(before.ml, after.ml) if known else None)


def course_of(visits: Iterable[Visit], noise: Noise) -> Course:
    """The visits in order."""
    return Course(tuple(sorted(visits, key=lambda visit: visit.day)), noise)
