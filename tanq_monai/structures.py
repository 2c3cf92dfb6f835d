"""What is segmented: names, label values, and what each structure is to the translator and to plausibility.

Structures are names with label values, ``{"VS": 1, "cochlea": 2}``; where masks are scored, a name may have several
values, whose union it is: ``{"VS": [1, 2], "cochlea": 3}``. Names tell what a structure is: the cochlea is called so,
and the VS and its parts begin with VS.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError

STRUCTURES: Mapping[str, int] = {"VS": 1, "cochlea": 2}
"""Names and label values of crossMoDA; both cochleae are one class."""

REGIONS: Mapping[str, int] = STRUCTURES
"""Of the translator: what its norms, its SegDecoder, its losses and measures tell apart, besides the rest, 0."""

Structures = Mapping[str, int | Sequence[int]]

ORDER = ("VS", "VS intrameatal", "VS extrameatal", "cochlea")  # of their values
_LARGEST = 255
_REMEDY = 'write them like {"VS": 1, "cochlea": 2}'


class Roles(NamedTuple):
    """Label values: the parts of the VS, the cochlea, and nnU-Net's ignore label."""

    vs: tuple[int, ...]
    cochlea: int
    ignore: int


def label_values(structures: Structures) -> dict[str, tuple[int, ...]]:
    """The label values of every structure.

    A value may belong to several structures, as 1 does in ``{"VS": [1, 2], "VS intrameatal": 1, ...}``.

    Raises:
        InputError: when there is no structure, or one has no values or others than whole numbers from 1 to 255.
    """
    if not isinstance(structures, Mapping) or not structures:
        raise InputError(f"structures {structures}", "are no names with label values", _REMEDY)
    values = {}
    for name, given in structures.items():
        listed = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
        if not listed or not all(type(value) is int and 1 <= value <= _LARGEST for value in listed):
            raise InputError(f"structures: {name}", f"{given!r} is no label value from 1 to {_LARGEST}", _REMEDY)
        values[str(name)] = listed
    return values


def numbered(structures: Mapping[str, int] = STRUCTURES, ignore: bool = False) -> list[int]:
    """The values that labels for a training may have: 0, 1, ..., and one above where voxels are ignored.

    Raises:
        InputError: when the structures are not numbered as nnU-Net wants it.
    """
    values = sorted(structures.values())
    if not values or values != list(range(1, len(values) + 1)):
        raise InputError("structures", f"{dict(structures)} are not numbered 1, 2, 3, ...", "leave no number out")
    return [0, *values, *([len(values) + 1] if ignore else [])]


def region_values(structures: Mapping[str, int]) -> dict[int, int]:
    """The region of the translator of every label value: a structure belongs to the one its name begins with.

    ``VS intrameatal`` and ``VS extrameatal`` are both VS: on hrT2 they look alike.

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


def roles_of(structures: Mapping[str, int]) -> Roles:
    """Which structure is which, by name: ``cochlea``; all that begins with ``VS`` are one tumor.

    Raises:
        InputError: when the cochlea or the VS is missing, or there is something else.
    """
    structures = single_values(structures)
    vs = tuple(value for name, value in structures.items() if name.startswith("VS"))
    if "cochlea" not in structures or not vs or len(vs) + 1 != len(structures):
        remedy = "name one cochlea, and VS or its parts so that they begin with VS"
        raise InputError("structures", f"are {', '.join(structures)}", remedy)
    return Roles(vs, structures["cochlea"], max(structures.values()) + 1)


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


def mask_of(labels: NDArray[np.uint8], values: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where ``labels`` have one of the values."""
    mask: NDArray[np.bool_] = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    return mask
