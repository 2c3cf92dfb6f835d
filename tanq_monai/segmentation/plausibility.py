"""What a schwannoma and two cochleae can be: the figures, and which components of a label map fit them.

Volumes are (I, J, K), positions are in the axes of the affine (x left-right), mm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import cos, radians
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tanq_monai.errors import InputError
from tanq_monai.transforms.labels import single_values

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]
Interval = Sequence[float]

_NEIGHBOURS = np.ones((3, 3, 3))  # faces, edges and corners, as nnU-Net's postprocessing
_LARGEST_TILT = cos(radians(20))  # a head in its coil: the line through the ears to the scanner's left-right axis
_ROUNDING = 1e-3  # mm: spacings of oblique affines are off by less


@dataclass(frozen=True)
class RefinementRules:
    """From when on a voxel is uncertain, and a structure implausible.

    Figures of patients: 240 schwannomas, 145 cochleae and 143 pairs of both, computed from the public contours of
    Shapey et al. 2021, The Cancer Imaging Archive, doi 10.7937/TCIA.9YTJ-5Q73 (CC BY 4.0). A case outside of the 1st to
    99th percentile waits: of a hundred true ones, two. A component is left out only where no patient has one.

    Args:
        min_agreement: share of the members that vote for a voxel's label; two of three, or four of five folds.
        min_confidence: mean probability of a voxel's label; halfway from .5, where two labels are alike, to 1.
        vs_mm3: volume of the VS, percentiles 1 and 99.
        cochlea_mm3: volume of one cochlea, percentiles 1 and 99.
        vs_to_cochlea_mm: from the centroid of the VS to that of the nearest cochlea, smallest and largest.
        cochleae_apart_mm: between the centroids of both cochleae. 68 to 71 in two patients of crossMoDA 2021; with 8 mm
            to either side, since the centroids of two halves move by half the extent (7.6 mm, percentile 95) each.
        fragment_mm3: a component below is no candidate; half of the smallest cochlea (18.0).
        join_mm: pieces of a cochlea that are this near are one: a slice of 1.5 mm may miss in a label of three to six.
        max_ignored_share: of a structure's predicted voxels; above, more is guessed away than kept.
        vs_required: a case without a VS waits. Operated patients are few (4 % in the phantom), missed tumors are not,
            and one that is trained as background does more harm than a patient who waits.
        min_cochleae: 2, since crossMoDA labels both ears and the one without a label would be trained as background.

    Raises:
        InputError: when a share is not in [0, 1], an interval is reversed or a size negative.
    """

    min_agreement: float = 2 / 3
    min_confidence: float = 0.75
    vs_mm3: Interval = (92.0, 8930.0)
    cochlea_mm3: Interval = (28.0, 112.0)
    vs_to_cochlea_mm: Interval = (4.5, 25.4)
    cochleae_apart_mm: Interval = (60.0, 79.0)
    fragment_mm3: float = 9.0
    join_mm: float = 3.0
    max_ignored_share: float = 0.5
    vs_required: bool = True
    min_cochleae: int = 2

    def __post_init__(self) -> None:
        for name in ("min_agreement", "min_confidence", "max_ignored_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(name, f"is {getattr(self, name)}", "give a share from 0 to 1")
        for name in ("vs_mm3", "cochlea_mm3", "vs_to_cochlea_mm", "cochleae_apart_mm"):
            interval = getattr(self, name)
            if len(interval) != 2 or not 0 <= interval[0] <= interval[1]:
                raise InputError(name, f"is {interval}", "give the smallest and the largest value")
        for name in ("fragment_mm3", "join_mm"):
            if getattr(self, name) < 0:
                raise InputError(name, f"is {getattr(self, name)}", "give 0 or more")
        if self.min_cochleae not in (0, 1, 2):
            raise InputError("min_cochleae", f"is {self.min_cochleae}", "give 0, 1 or 2")


class Roles(NamedTuple):
    """Label values: the parts of the VS, the cochlea, and nnU-Net's ignore label."""

    vs: tuple[int, ...]
    cochlea: int
    ignore: int


class Component(NamedTuple):
    """A connected piece: its number in the map of components, mm3, confidence-weighted mm3, and centroid (3,), mm."""

    number: int
    volume: float
    weight: float
    center: Vector


def roles_of(structures: Mapping[str, int]) -> Roles:
    """Which structure is which, by name: ``cochlea``; all that begins with ``VS`` are one tumor.

    Raises:
        InputError: when the cochlea or the VS is missing, there is something else, or a union.
    """
    structures = single_values(structures)
    vs = tuple(value for name, value in structures.items() if name.startswith("VS"))
    if "cochlea" not in structures or not vs or len(vs) + 1 != len(structures):
        remedy = "name one cochlea, and VS or its parts so that they begin with VS"
        raise InputError("structures", f"are {', '.join(structures)}", remedy)
    return Roles(vs, structures["cochlea"], max(structures.values()) + 1)


def find_components(
    mask: Mask, confidence: NDArray[np.floating], affine: Vector, join_mm: float = 0.0
) -> tuple[NDArray[np.int32], list[Component]]:
    """Map of components (I, J, K), 0 outside, and what they are.

    Args:
        mask: (I, J, K).
        confidence: of the same shape.
        affine: (4, 4), voxel index to mm.
        join_mm: pieces whose voxels' middles are this near, in mm, are one component.
    """
    ids = np.zeros(mask.shape, np.int32)
    index = np.nonzero(mask)
    if len(index[0]) == 0:
        return ids, []
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in index)
    ids[index] = ndimage.label(_near(mask[box], affine, join_mm / 2), _NEIGHBOURS)[0][mask[box]]
    numbers = ids[index]
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    counts = np.bincount(numbers)
    weights = np.bincount(numbers, confidence[index])
    middles = np.stack([np.bincount(numbers, i) for i in index], axis=-1) / np.maximum(counts, 1)[:, None]
    centers = middles @ affine[:3, :3].T + affine[:3, 3]
    return ids, [
        Component(int(n), float(counts[n]) * voxel_mm3, float(weights[n]) * voxel_mm3, centers[n])
        for n in np.flatnonzero(counts)
    ]


def choose_cochleae(components: Sequence[Component], rules: RefinementRules) -> tuple[Component, ...]:
    """One component, or two that can be both ears of a head: those that weigh most together."""
    candidates = [one for one in components if one.volume >= rules.fragment_mm3]
    pairs = [pair for pair in combinations(candidates, 2) if _can_be_ears(pair, rules.cochleae_apart_mm)]
    choices: list[tuple[Component, ...]] = [*pairs, *((one,) for one in candidates)]
    return max(choices, key=lambda chosen: sum(one.weight for one in chosen), default=())


def choose_vs(
    components: Sequence[Component], cochleae: Iterable[Component], rules: RefinementRules
) -> tuple[Component, ...]:
    """The component that weighs most of those as far from the nearest cochlea as a VS can be; none where none is.

    Without a cochlea the place is not judged.
    """
    ears = [ear.center for ear in cochleae]
    candidates = [
        one
        for one in components
        if one.volume >= rules.fragment_mm3
        and (not ears or within(min(apart(one.center, ear) for ear in ears), rules.vs_to_cochlea_mm))
    ]
    return (max(candidates, key=lambda one: one.weight),) if candidates else ()


def apart(one: Vector, other: Vector) -> float:
    """Distance of two points, mm."""
    return float(np.linalg.norm(one - other))


def within(value: float, interval: Interval) -> bool:
    """Whether a value lies in a closed interval."""
    return bool(interval[0] <= value <= interval[1])


def are_opposite(one: Component, other: Component) -> bool:
    """Whether two components lie beside each other, left and right, as ears do."""
    return bool(abs(one.center[0] - other.center[0]) >= _LARGEST_TILT * apart(one.center, other.center))


def _can_be_ears(pair: tuple[Component, Component], interval: Interval) -> bool:
    one, other = pair
    return are_opposite(one, other) and within(apart(one.center, other.center), interval)


def _near(mask: Mask, affine: Vector, reach: float) -> Mask:
    """Voxels at most ``reach`` mm from the mask."""
    if reach <= 0:
        return mask
    distance = ndimage.distance_transform_edt(~mask, sampling=np.linalg.norm(affine[:3, :3], axis=0))
    near: Mask = distance <= reach + _ROUNDING
    return near
