"""What the structures of a label map are called, and which label values make them up."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tanq_monai.errors import InputError

STRUCTURES: Mapping[str, int] = {"VS": 1, "cochlea": 2}
"""Names and label values of crossMoDA; both cochleae are one class."""

Structures = Mapping[str, int | Sequence[int]]
"""Name to label value, or to several whose union is the structure: ``{"VS": [1, 2], "cochlea": 3}``."""


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
        if not listed or not all(type(value) is int and 1 <= value <= 255 for value in listed):
            raise InputError(f"structures: {name}", f"{given!r} is no label value from 1 to 255", _REMEDY)
        values[str(name)] = listed
    return values


def mask_of(labels: npt.NDArray[np.uint8], values: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Where ``labels`` have one of the values."""
    mask: npt.NDArray[np.bool_] = labels == values[0]
    for value in values[1:]:
        mask |= labels == value
    return mask


_REMEDY = 'write them like {"VS": 1, "cochlea": 2} or {"VS": [1, 2], "cochlea": 3}'
