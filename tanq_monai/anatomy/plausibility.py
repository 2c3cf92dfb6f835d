"""What a schwannoma and two cochleae can be: which pieces of a label map are some, and how usual their volumes are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Component, Mask, Vector, apart, are_opposite, tilt
from tanq_monai.anatomy.measured import Anatomy, Structure, find_anatomy
from tanq_monai.anatomy.published import published
from tanq_monai.errors import InputError
from tanq_monai.structures import Structures, region_of

Interval = Sequence[float]
_ALONE = 0.5
_SPREAD = 4.0  # mm, standard deviation, of the distance between two cochleae that may be found in part
_TILT = 8.0  # degrees, standard deviation, of the line through both
_TURNED = 5.0  # mm: a tumor 15 mm from its cochlea lies elsewhere by this in a head that is turned by 20 degrees
_EXPECTED = (
    10.0  # mm: the same of an ear that was not found, 70 mm from the other one in a head that is tilted by 8 degrees
)
_QUARTILES = 1.349  # standard deviations between the quartiles of a normal distribution


@dataclass(frozen=True)
class Plausible:
    """Within which bounds a piece is a VS or a cochlea. A piece is left out only where no patient has such a one.

    Args:
        vs_mm3: volume of the VS; percentiles 1 and 99 of 240 patients.
        cochlea_mm3: volume of one cochlea; percentiles 1 and 99 of 145.
        vs_to_cochlea_mm: from the centroid of the VS to that of the nearest cochlea; smallest and largest of 143.
        cochleae_apart_mm: between the centroids of both cochleae; 68 to 71, and 8 to either side, for what is found of
            them may be halves.
        fragment_mm3: a piece below is no candidate; half of the smallest cochlea.
        join_mm: pieces of a cochlea that are this near are one: a slice of 1.5 mm may miss in a label of three to six.

    Raises:
        InputError: when an interval is reversed or a size negative.
    """

    vs_mm3: Interval = field(default_factory=lambda: published().vs_mm3)
    cochlea_mm3: Interval = field(default_factory=lambda: published().cochlea_mm3)
    vs_to_cochlea_mm: Interval = field(default_factory=lambda: published().vs_to_cochlea_mm)
    cochleae_apart_mm: Interval = field(default_factory=lambda: published().cochleae_apart_mm)
    fragment_mm3: float = field(default_factory=lambda: published().fragment_mm3)
    join_mm: float = 3.0

    def __post_init__(self) -> None:
        for name in ("vs_mm3", "cochlea_mm3", "vs_to_cochlea_mm", "cochleae_apart_mm"):
            interval = getattr(self, name)
            if len(interval) != 2 or not 0 <= interval[0] <= interval[1]:
                raise InputError(name, f"is {interval}", "give the smallest and the largest value")
        for name in ("fragment_mm3", "join_mm"):
            if getattr(self, name) < 0:
                raise InputError(name, f"is {getattr(self, name)}", "give 0 or more")

    def cochleae(self, components: Sequence[Component], tumors: Sequence[Component] = ()) -> tuple[Component, ...]:
        """One component, or two that can be both ears of a head: those that are most alike to cochleae of patients.

        A component counts by its weight up to the median of cochleae, and beyond their percentile 95 the less the
        larger it is. A pair counts by both, the less the more its distance and its tilt differ from those of patients;
        one alone counts half, for the other ear is missing. A VS where patients have theirs beside such ears counts as
        much as a cochlea.

        Args:
            components: that may be cochleae.
            tumors: that may be the VS.
        """
        candidates = [one for one in components if one.volume >= self.fragment_mm3]
        pairs = [pair for pair in combinations(candidates, 2) if self._can_be_ears(*pair)]
        choices: list[tuple[Component, ...]] = [*pairs, *((one,) for one in candidates)]
        _, _, median, _, _ = published().geometry["VS volume"]

        @cache
        def vs_beside(ear: _Ear) -> float:
            return max((min(one.weight / median, 1.0) * self._likeness_beside(one, ear) for one in tumors), default=0.0)

        return max(choices, key=lambda chosen: self._likeness(chosen) + max(map(vs_beside, _ears(chosen))), default=())

    def vs(self, components: Sequence[Component], cochleae: Sequence[Component]) -> tuple[Component, ...]:
        """The component most alike to a VS, of those as far from the nearest cochlea as one can be; none where none is.

        A component counts by its weight, the less the more its place beside that cochlea differs from where tumors of
        patients lie. Of one ear alone, the other one is expected as far to its right or to its left as ears are apart.
        Without a cochlea the place is not judged.
        """
        ears = _ears(cochleae)
        candidates = [one for one in components if one.volume >= self.fragment_mm3]
        if not ears:
            return (max(candidates, key=lambda one: one.weight),) if candidates else ()
        counts = [one.weight * max(self._likeness_beside(one, ear) for ear in ears) for one in candidates]
        best = int(np.argmax(counts)) if any(counts) else None
        return () if best is None else (candidates[best],)

    def _likeness(self, chosen: tuple[Component, ...]) -> float:
        _, _, median, _, large = published().geometry["cochlea volume"]
        sizes = [min(one.weight / median, 1.0) * min(large / one.volume, 1.0) ** 2 for one in chosen]
        if len(chosen) == 1:
            return _ALONE * sizes[0]
        off = (apart(*(one.center for one in chosen)) - _usually_apart()) / _SPREAD
        return sum(sizes) * math.exp(-(off**2 + (tilt(*chosen) / _TILT) ** 2) / 2)

    def _likeness_beside(self, vs: Component, ear: "_Ear") -> float:
        """1 where the median tumor lies beside an ear, less elsewhere, 0 where no patient has one."""
        if not within(apart(vs.center, np.array(ear.center)), self.vs_to_cochlea_mm):
            return 0.0
        right, front, up = vs.center - ear.center
        off = 0.0
        for figure, offset in (("VS medial", right * ear.medial), ("VS posterior", -front), ("VS superior", up)):
            _, low, median, high, _ = published().geometry[figure]
            off += (offset - median) ** 2 / (((high - low) / _QUARTILES) ** 2 + ear.spread**2)
        return math.exp(-off / 2)

    def _can_be_ears(self, one: Component, other: Component) -> bool:
        return are_opposite(one, other) and within(apart(one.center, other.center), self.cochleae_apart_mm)


class _Ear(NamedTuple):
    """Where a cochlea is, mm; the sign of the way to the other one; and how far a tumor may lie elsewhere, mm."""

    center: tuple[float, float, float]
    medial: float
    spread: float


def _ears(cochleae: Sequence[Component]) -> list[_Ear]:
    """Those of a head: both that were found; of one alone it and the other one, to its right or to its left."""
    if len(cochleae) == 1:
        (x, y, z) = cochleae[0].center
        aside = [(way, way * _usually_apart()) for way in (1.0, -1.0)]
        found = [_Ear((x, y, z), way, _TURNED) for way, _ in aside]
        return [*found, *(_Ear((x + mm, y, z), -way, _EXPECTED) for way, mm in aside)]
    ways = [
        float(np.sign(other.center[0] - one.center[0])) for one, other in zip(cochleae, reversed(cochleae), strict=True)
    ]
    return [_Ear(tuple(one.center), way, _TURNED) for one, way in zip(cochleae, ways, strict=True)]


def _usually_apart() -> float:
    """Of both cochleae, mm."""
    return sum(published().apart) / 2


class Judgement(NamedTuple):
    """One organ's volume beside that of patients.

    Args:
        organ: VS, all its parts together; or the cochlea of one side.
        mm3: its volume; 0 where it is missing.
        usual: percentiles 5 and 95 of the patients, mm3.
        deviation: 0 at their median, 1 at the percentiles 5 and 95, linear in the logarithm; inf where it is missing.
    """

    organ: str
    mm3: float
    usual: tuple[float, float]
    deviation: float

    @property
    def doubt(self) -> str:
        """What is implausible, or nothing."""
        if self.deviation <= 1:
            return ""
        size = f"of {self.mm3:,.0f} mm³" if self.mm3 else "missing"
        return f"{self.organ} {size} (usual {self.usual[0]:,.0f} to {self.usual[1]:,.0f} mm³)"


def judge(anatomy: Anatomy) -> list[Judgement]:
    """VS and the cochlea of either ear beside the published volumes; a fragment is none."""
    organs = {"VS": anatomy.vs, "right cochlea": anatomy.right, "left cochlea": anatomy.left}
    return [_judgement(organ, structure) for organ, structure in organs.items()]


def judge_labels(labels: NDArray[np.uint8], affine: Vector, structures: Structures) -> list[Judgement]:
    """VS, all its parts together, and each cochlea beside the published volumes; nothing of what is no structure.

    Args:
        labels: (I, J, K), label values.
        affine: (4, 4), voxel index to RAS, mm.
        structures: names and label values; those whose name begins with VS are parts of one VS.
    """
    found = judge(find_anatomy(*organ_masks(labels, structures), affine))
    organs = {region_of(name) for name in structures}
    return [one for one in found if one.organ.rpartition(" ")[2] in organs]


def organ_masks(labels: NDArray[np.uint8], structures: Structures) -> tuple[Mask, Mask]:
    """Voxels (I, J, K) of the VS, all its parts, and of the cochleae, by the names; none of an organ without a name."""
    vs, cochlea = (
        np.isin(labels, [value for name, value in structures.items() if region_of(name) == organ])
        for organ in ("VS", "cochlea")
    )
    return vs, cochlea


def within(value: float, interval: Interval) -> bool:
    """Whether a value lies in a closed interval."""
    return bool(interval[0] <= value <= interval[1])


def _judgement(organ: str, structure: Structure | None) -> Judgement:
    low, _, median, _, high = published().geometry[f"{organ.rpartition(' ')[2]} volume"]
    if structure is None or structure.volume < published().fragment_mm3:
        return Judgement(organ, 0.0, (low, high), math.inf)
    bound = high if structure.volume > median else low
    deviation = math.log(structure.volume / median) / math.log(bound / median)
    return Judgement(organ, structure.volume, (low, high), deviation)
