"""How much the measured volume of a VS varies between scans of one patient in whom nothing has grown."""

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

from tanq_monai.choices.documents import parse_json

FILE = "noise.json"


class Interval(NamedTuple):
    """A figure and the bounds that hold it in 95 of 100 repetitions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Noise:
    r"""Within-patient standard deviation of the logarithm of the volume, by the size of the VS.

    Repeated volumes are :math:`V = V_0 e^{\epsilon}` with a standard deviation :math:`\sigma` of :math:`\epsilon`:
    segmentation errs by a share of the volume, and by a larger one where the VS is small.

    Attributes:
        bounds: ml, the least volume of every class but the first.
        deviations: sigma of every class, without unit.
        reach: deviations on either side that held 95 of 100 measured differences; of a normal noise it would be 1.96.
        facts: how it was measured: command, seed, date, numbers of patients and scans.
    """

    bounds: tuple[float, ...]
    deviations: tuple[float, ...]
    reach: float
    facts: dict[str, str | int | float]

    def deviation(self, ml: float) -> float:
        """Sigma of a VS of so many ml."""
        return self.deviations[sum(ml >= bound for bound in self.bounds)]

    def volume(self, ml: float) -> Interval:
        """So many ml, and what the volume may be on the mean of repeated scans of the same day."""
        reach = math.exp(self.reach * self.deviation(ml))
        return Interval(ml, ml / reach, ml * reach)

    def ratio(self, before: float, after: float) -> Interval:
        """The later volume over the earlier one; bounds by the noise of both."""
        reach = math.exp(self.reach * math.hypot(self.deviation(before), self.deviation(after)))
        ratio = after / before
        return Interval(ratio, ratio / reach, ratio * reach)


def measured_noise() -> Noise:
    """That of the shipped segmenter on repeated scans of virtual patients, see ``scripts/growth_noise.py``."""
    content = parse_json(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    classes = content.pop("classes")
    bounds, deviations = (tuple(float(one[name]) for one in classes) for name in ("from_ml", "deviation"))
    return Noise(bounds[1:], deviations, float(content["reach"]), content)
