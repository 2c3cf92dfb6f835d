"""What is segmented: names, label values, and what each structure is to the translator and to plausibility.

Names tell what a structure is: the cochlea is called so, and the VS and its parts begin with VS. Whoever is given
structures by a user, a file or a config makes a :class:`Structures` of them, or, where masks are scored, a
:class:`ScoredStructures`; whoever is given one of these need not ask whether its values can be label values.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from tanq_monai.errors import InputError

ORDER = ("VS", "VS intrameatal", "VS extrameatal", "cochlea")  # of their values
_LARGEST = 255
_REMEDY = 'write them like {"VS": 1, "cochlea": 2}'
Values = TypeVar("Values", int, tuple[int, ...])


class Roles(NamedTuple):
    """Label values: the parts of the VS, the cochlea, and nnU-Net's ignore label."""

    vs: tuple[int, ...]
    cochlea: int
    ignore: int


class _Frozen(Mapping[str, Values]):
    """Label values by name that do not change: equal to, and printed as, the plain dict of the same."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Values]) -> None:
        self._values: Mapping[str, Values] = MappingProxyType(dict(values))

    def __getitem__(self, name: str) -> Values:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(dict(self._values))

    def __reduce__(self) -> tuple[type["_Frozen[Values]"], tuple[dict[str, Values]]]:
        return type(self), (dict(self._values),)


class ScoredStructures(_Frozen[tuple[int, ...]]):
    """Structures whose masks are scored: each is the union of its label values, ``{"VS": (1, 2), "cochlea": (3,)}``.

    There is at least one; every one has values from 1 to 255, and no two have the same. A value may belong to several
    structures, as 1 does in ``{"VS": [1, 2], "VS intrameatal": 1}``.

    Args:
        given: names with a label value or a list of them; or structures.

    Raises:
        InputError: when they are none.
    """

    __slots__ = ()

    def __init__(self, given: Mapping[str, int | Sequence[int]]) -> None:
        if not isinstance(given, Mapping) or not given:
            raise InputError(f"structures {given}", "are no names with label values", _REMEDY)
        of_values: dict[tuple[int, ...], str] = {}
        for name, one in given.items():
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"structures: {name!r}", "is no name", _REMEDY)
            values = _values_of(name, one)
            if values in of_values:
                problem = f"has the label value of {of_values[values]}, {one}"
                raise InputError(f"structures: {name}", problem, "give each a value of its own")
            of_values[values] = name
        super().__init__({name: values for values, name in of_values.items()})


class Structures(_Frozen[int]):
    """Names of structures, each with a label value of its own: ``{"VS": 1, "cochlea": 2}``.

    There is at least one; values are whole numbers from 1 to 255, in any order. What only some uses need, numbers
    without gaps, regions, roles, is asked of the methods, which raise where these structures do not have it.

    Args:
        given: names with label values; or structures.

    Raises:
        InputError: when they are none, or one has several values.
    """

    __slots__ = ()

    def __init__(self, given: Mapping[str, int | Sequence[int]]) -> None:
        scored = ScoredStructures(given)
        for name, values in scored.items():
            if len(values) > 1:
                raise InputError(f"structures: {name}", "has several label values", "give every structure one")
        super().__init__({name: value for name, (value,) in scored.items()})

    def numbered(self, ignore: bool = False) -> tuple[int, ...]:
        """The values that labels for a training may have: 0, 1, ..., and one above where voxels are ignored.

        Raises:
            InputError: when the structures are not numbered as nnU-Net wants it.
        """
        values = sorted(self.values())
        if values != list(range(1, len(values) + 1)):
            raise InputError("structures", f"{self} are not numbered 1, 2, 3, ...", "leave no number out")
        return (0, *values, *([len(values) + 1] if ignore else []))

    def regions(self) -> dict[int, int]:
        """The region of the translator of every label value: a structure belongs to the one its name begins with.

        ``VS intrameatal`` and ``VS extrameatal`` are both VS: on hrT2 they look alike.

        Raises:
            InputError: when a structure's name begins with none of :data:`REGIONS`.
        """
        values = {}
        for name, value in self.items():
            regions = [number for region, number in REGIONS.items() if name.startswith(region)]
            if not regions:
                remedy = f"let its name begin with {' or '.join(REGIONS)}"
                raise InputError("structures", f"{name!r} is of no region of the translator", remedy)
            values[value] = regions[0]
        return values

    @property
    def have_roles(self) -> bool:
        """Whether they are one VS, or its parts, and one cochlea, as :meth:`roles` wants them."""
        num_vs = sum(name.startswith("VS") for name in self)
        return "cochlea" in self and num_vs > 0 and num_vs + 1 == len(self)

    def roles(self) -> Roles:
        """Which structure is which, by name: ``cochlea``; all that begins with ``VS`` are one tumor.

        Raises:
            InputError: when the cochlea or the VS is missing, or there is something else.
        """
        if not self.have_roles:
            remedy = "name one cochlea, and VS or its parts so that they begin with VS"
            raise InputError("structures", f"are {', '.join(self)}", remedy)
        vs = tuple(value for name, value in self.items() if name.startswith("VS"))
        return Roles(vs, self["cochlea"], max(self.values()) + 1)

    def check_order(self, where: str | Path) -> None:
        """Raise unless they are numbered in the order of crossMoDA: a label map does not say which is which.

        Args:
            where: they come from.

        Raises:
            InputError: when a VS lies above the cochlea, or its parts in the other order.
        """
        known = {name: self[name] for name in ORDER if name in self}
        if list(known.values()) != sorted(known.values()):
            problem = f"has {', '.join(f'{name} {value}' for name, value in known.items())}: whoever reads such labels "
            problem += "as VS 1, cochlea 2 takes one for the other"
            raise InputError(where, problem, f"number them in the order {', '.join(known)}, and train with that")


def _values_of(name: str, given: object) -> tuple[int, ...]:
    values = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    whole = tuple(value for value in values if type(value) is int and 1 <= value <= _LARGEST)
    if not values or len(whole) < len(values):
        raise InputError(f"structures: {name}", f"{given!r} is no label value from 1 to {_LARGEST}", _REMEDY)
    return whole


STRUCTURES = Structures({"VS": 1, "cochlea": 2})
"""Names and label values of crossMoDA; both cochleae are one class."""

REGIONS = STRUCTURES
"""Of the translator: what its norms, its SegDecoder, its losses and measures tell apart, besides the rest, 0."""
