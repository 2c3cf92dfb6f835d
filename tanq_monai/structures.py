"""What is segmented: names, label values, and what each structure is to the translator and to plausibility.

Any structures do. Two names say more: the cochlea is called so, and the VS and its parts begin with VS. Of these the
translator's norm is known, and published sizes and places; others are given a norm, and nothing is said of their
anatomy. Whoever is given structures by a user, a file or a config makes a :class:`Structures` of them, or, where masks
are scored, a :class:`ScoredStructures`; whoever is given one of these need not ask whether its values can be label
values.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from tanq_monai.errors import InputError

VS_PARTS = ("VS intrameatal", "VS extrameatal")
"""In the internal auditory canal and outside, as crossMoDA 2023 labels them."""

ORDER = ("VS", *VS_PARTS, "cochlea")  # of their values
SURROUNDINGS, OWN = "surroundings", "own"
NORMS = (SURROUNDINGS, OWN)
"""What a structure is normalised by in the translator: its decoder gives it the statistics of its surroundings, as the
VS, or encoder and decoder keep its own ones, as the cochlea's. In the order of their regions."""

OTHERS = "others"  # region 0
_LARGEST = 255
_REMEDY = 'write them like {"VS": 1, "cochlea": 2}, or {"nerve": {"value": 3, "norm": "own"}}'
_KNOWN_NORMS = {"VS": SURROUNDINGS, "cochlea": OWN}
_KNOWN = re.compile(r"VS(?![A-Za-z])|cochlea")  # how the names of their parts begin
Values = TypeVar("Values", int, tuple[int, ...])
Value = TypeVar("Value")


class Roles(NamedTuple):
    """Label values: the parts of the VS, the cochlea, and nnU-Net's ignore label."""

    vs: tuple[int, ...]
    cochlea: int
    ignore: int


@dataclass(frozen=True)
class Regions:
    """What the translator tells apart: its norms, its SegDecoder, its losses and measures.

    Attributes:
        norms: of :data:`NORMS`, by name, in the order of the regions' numbers, which begin at 1. Region 0 is the rest.
        of_values: number of the region of every label value.
    """

    norms: Mapping[str, str]
    of_values: Mapping[int, int]

    @property
    def numbers(self) -> dict[str, int]:
        """Of the regions by name."""
        return {name: number for number, name in enumerate(self.norms, start=1)}

    def weights(self, given: Mapping[str, float]) -> list[float]:
        """The weight of region 0, 1, 2, ...

        Args:
            given: of "others", and of every region by its name or, where that is not given, by its norm.

        Raises:
            InputError: when one is missing, or nothing is called so.
        """
        self._check_names(given, "weights#classes", (OTHERS, *NORMS))
        missing = [name for name, norm in ((OTHERS, OTHERS), *self.norms.items()) if not {name, norm} & set(given)]
        if missing:
            remedy = f"give {OTHERS}, and every structure by its name or its norm"
            raise InputError("weights#classes", f"has no weight of {missing[0]}", remedy)
        return [given[OTHERS], *(given[name if name in given else norm] for name, norm in self.norms.items())]

    def by_number(self, given: Mapping[str, Value], called: str) -> dict[int, Value]:
        """What is given by the regions' names, by their numbers.

        Args:
            given: of some regions.
            called: what it is, for the message.

        Raises:
            InputError: when no region is called so.
        """
        self._check_names(given, called)
        return {number: given[name] for name, number in self.numbers.items() if name in given}

    def _check_names(self, given: Mapping[str, Any], called: str, further: Sequence[str] = ()) -> None:
        foreign = [name for name in given if name not in (*self.norms, *further)]
        if foreign:
            raise InputError(called, f"{foreign[0]!r} is none of the structures", f"name {', '.join(self.norms)}")


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
        return repr(self.plain())

    def __reduce__(self) -> tuple[type["_Frozen[Values]"], tuple[dict[str, Any]]]:
        return type(self), (self.plain(),)

    def plain(self) -> dict[str, Any]:
        """As a config has it, from which the same can be made."""
        return dict(self._values)


class ScoredStructures(_Frozen[tuple[int, ...]]):
    """Structures whose masks are scored: each is the union of its label values, ``{"VS": (1, 2), "cochlea": (3,)}``.

    There is at least one; every one has values from 1 to 255, and no two have the same. A value may belong to several
    structures, as 1 does in ``{"VS": [1, 2], "VS intrameatal": 1}``.

    Args:
        given: names with a label value or a list of them, or with ``{value: 1, norm: own}``, whose norm scores do not
            follow from; or structures.

    Raises:
        InputError: when they are none.
    """

    __slots__ = ()

    def __init__(self, given: Mapping[str, Any]) -> None:
        if not isinstance(given, Mapping) or not given:
            raise InputError(f"structures {given}", "are no names with label values", _REMEDY)
        of_values: dict[tuple[int, ...], str] = {}
        for name, one in given.items():
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"structures: {name!r}", "is no name", _REMEDY)
            value, _ = _value_and_norm(name, one)
            values = _values_of(name, value)
            if values in of_values:
                problem = f"has the label value of {of_values[values]}, {value}"
                raise InputError(f"structures: {name}", problem, "give each a value of its own")
            of_values[values] = name
        super().__init__({name: values for values, name in of_values.items()})


class Structures(_Frozen[int]):
    """Names of structures, each with a label value of its own: ``{"VS": 1, "cochlea": 2}``.

    There is at least one; values are whole numbers from 1 to 255, in any order. For a translator, a structure that is
    neither VS nor cochlea is given with its norm: ``{"left atrium": {"value": 1, "norm": "own"}}``. What only some uses
    need, numbers without gaps, regions, roles, is asked of the methods. Equal are those of the same names and values.

    Args:
        given: names with label values, or with value and norm; or structures.

    Raises:
        InputError: when they are none, one has several values, or a norm that there is not.
    """

    __slots__ = ("_norms",)

    def __init__(self, given: Mapping[str, Any]) -> None:
        scored = ScoredStructures(given)
        for name, values in scored.items():
            if len(values) > 1:
                raise InputError(f"structures: {name}", "has several label values", "give every structure one")
        super().__init__({name: value for name, (value,) in scored.items()})
        given = given.plain() if isinstance(given, Structures) else given
        norms = {name: _value_and_norm(name, one)[1] for name, one in given.items()}
        self._norms = {
            name: norm for name, norm in norms.items() if norm not in (None, _KNOWN_NORMS.get(region_of(name)))
        }

    def plain(self) -> dict[str, Any]:
        """As a config has it: value and norm of those that are given one, the value of all others."""
        return {
            name: {"value": value, "norm": self._norms[name]} if name in self._norms else value
            for name, value in self.items()
        }

    def numbered(self, ignore: bool = False) -> tuple[int, ...]:
        """The values that labels for a training may have: 0, 1, ..., and one above where voxels are ignored.

        Raises:
            InputError: when the structures are not numbered as nnU-Net wants it.
        """
        values = sorted(self.values())
        if values != list(range(1, len(values) + 1)):
            raise InputError("structures", f"{self} are not numbered 1, 2, 3, ...", "leave no number out")
        return (0, *values, *([len(values) + 1] if ignore else []))

    def regions(self) -> Regions:
        """The regions of the translator: every structure is one, but the parts of a VS are one, and those of a cochlea.

        ``VS intrameatal`` and ``VS extrameatal`` are both VS: on hrT2 they look alike. Those with the norm of their
        surroundings come first, then those with their own, either in the order of their label values: weights of a
        translator tell by their shape how many there are of each, and fit no other regions. Where two structures meet
        in a pixel of features, the later region has it.

        Raises:
            InputError: when a structure has no norm, or two parts of one region have different ones.
        """
        norms: dict[str, str] = {}
        for name, _ in sorted(self.items(), key=lambda one: one[1]):
            region = region_of(name)
            norm = self._norms.get(name, _KNOWN_NORMS.get(region))
            if norm is None:
                remedy = f"write it like {{{name}: {{value: {self[name]}, norm: {OWN}}}}}, or norm: {SURROUNDINGS}"
                raise InputError("structures", f"{name!r} has no norm, by which the translator goes", remedy)
            if norms.setdefault(region, norm) != norm:
                raise InputError("structures", f"parts of {region} have different norms", "give them one")
        if norms.keys() <= _KNOWN_NORMS.keys():
            norms = _KNOWN_NORMS | norms  # where only one of the two is labelled, the shipped weights still know both
        ordered = sorted(norms, key=lambda region: NORMS.index(norms[region]))
        numbers = {region: number for number, region in enumerate(ordered, start=1)}
        of_values = {value: numbers[region_of(name)] for name, value in self.items()}
        return Regions({region: norms[region] for region in ordered}, of_values)

    def roles(self) -> Roles | None:
        """Which structure is which, by name: ``cochlea``; all that begins with ``VS`` are one tumor.

        None where one of the two is missing: the published rules about both together say nothing then.
        """
        vs = tuple(value for name, value in self.items() if region_of(name) == "VS")
        return Roles(vs, self["cochlea"], self.ignore) if "cochlea" in self and vs else None

    @property
    def others(self) -> dict[str, int]:
        """Those of no role: no rule of anatomy is about them."""
        if self.roles() is None:
            return dict(self)
        return {name: value for name, value in self.items() if name != "cochlea" and region_of(name) != "VS"}

    @property
    def vs_parts(self) -> tuple[int, int] | None:
        """Label values of the VS in the canal and outside; None where it is not labelled so."""
        inside, outside = (self.get(name) for name in VS_PARTS)
        return None if inside is None or outside is None else (inside, outside)

    @property
    def ignore(self) -> int:
        """The label of voxels that are ignored, one above all others."""
        return max(self.values()) + 1

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


def region_of(name: str) -> str:
    """The region of the translator that a structure is of: ``VS`` and ``cochlea`` have parts, all else is its own."""
    known = _KNOWN.match(name)
    return known.group() if known else name


def _value_and_norm(name: str, given: Any) -> tuple[Any, str | None]:
    """Of ``{value: 1, norm: own}``; of all else there is no norm."""
    if not isinstance(given, Mapping) or set(given) - {"norm"} != {"value"}:
        return given, None
    norm = given.get("norm")
    if norm not in (None, *NORMS):
        raise InputError(f"structures: {name}", f"has the norm {norm!r}", f"choose {' or '.join(reversed(NORMS))}")
    return given["value"], norm


def _values_of(name: str, given: object) -> tuple[int, ...]:
    values = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    whole = tuple(value for value in values if type(value) is int and 1 <= value <= _LARGEST)
    if not values or len(whole) < len(values):
        raise InputError(f"structures: {name}", f"{given!r} is no label value from 1 to {_LARGEST}", _REMEDY)
    return whole


STRUCTURES = Structures({"VS": 1, "cochlea": 2})
"""Names and label values of crossMoDA; both cochleae are one class."""

REGIONS = STRUCTURES.regions()
"""Of the translator, where none are chosen: VS 1, cochlea 2."""
