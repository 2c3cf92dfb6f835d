"""Label maps as the translator sees them: two regions, whatever classes the scans are labelled with. NumPy alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

REGIONS: Mapping[str, int] = {"VS": 1, "cochlea": 2}
"""Of the translator: what its norms, its SegDecoder, its losses and measures tell apart, besides the rest, 0."""

ORDER = ("VS", "VS intrameatal", "VS extrameatal", "cochlea")


def region_values(structures: Mapping[str, int]) -> dict[int, int]:
    """The region of every label value: a structure belongs to the one whose name its own begins with.

    ``VS intrameatal`` and ``VS extrameatal`` are both VS: on hrT2 they look alike.

    Args:
        structures: names and label values.

    Raises:
        InputError: when a structure's name begins with none of :data:`REGIONS`.
    """
    values = {}
    for name, value in single_values(structures).items():
        regions = [number for region, number in REGIONS.items() if name.startswith(region)]
        if not regions:
            remedy = f"let its name begin with {' or '.join(REGIONS)}"
            raise InputError("structures", f"{name!r} is of no region of the translator", remedy)
        values[value] = regions[0]
    return values


def single_values(structures: Mapping[str, Any]) -> dict[str, int]:
    """``structures``, each of which has one label value.

    Raises:
        InputError: when one is a union.
    """
    unions = [name for name, value in structures.items() if not isinstance(value, int)]
    if unions:
        raise InputError(f"structures: {unions[0]}", "has several label values", "give every structure one")
    return dict(structures)


def check_order(labels: Mapping[str, int], where: str | Path) -> None:
    """Raise unless structures are numbered in the order of crossMoDA: a label map does not say which is which.

    Args:
        labels: names and values of a model, others among them.
        where: they come from.

    Raises:
        InputError: when a VS lies above the cochlea, or its parts in the other order.
    """
    known = {name: labels[name] for name in ORDER if name in labels}
    if list(known.values()) != sorted(known.values()):
        problem = f"has {', '.join(f'{name} {value}' for name, value in known.items())}: whoever reads such labels as "
        problem += "VS 1, cochlea 2 takes one for the other"
        raise InputError(where, problem, f"number them in the order {', '.join(known)}, and train with that")


def to_regions(labels: NDArray[Any], structures: Mapping[str, int] = REGIONS) -> NDArray[np.float32]:
    """Labels of any shape with the values of ``structures`` -> the same with those of the regions, other values 0."""
    rounded, regions = np.rint(labels), np.zeros(labels.shape, dtype=np.float32)
    for value, region in region_values(structures).items():
        regions[rounded == value] = region
    return regions
