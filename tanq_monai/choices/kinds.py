"""Kinds of values that a choice may have, each of which turns what was typed or given into a value that fits."""

import ast
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from tanq_monai.choices.documents import parse_flow
from tanq_monai.structures import NORMS, OWN, ScoredStructures

FLAG_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # as in YAML


class Misfit(ValueError):
    """A value that is not of a kind."""


class Kind(ABC):
    """What the values of a choice have in common."""

    is_text = False
    """Whether a word counts as it was typed, whatever else it looks like."""

    def parse(self, value: Any) -> Any:
        """The value that was meant.

        Args:
            value: of any type; a text as it may be typed or stand in a file.

        Raises:
            Misfit: when it is none of this kind.
        """
        try:
            return self._parse(value)
        except ValueError as error:
            raise Misfit(f"is not {self}") from error

    @abstractmethod
    def __str__(self) -> str:
        """What a value has to be: "a whole number from 0 to 4"."""

    @abstractmethod
    def _parse(self, value: Any) -> Any:
        """As :meth:`parse`, but that any ``ValueError`` will do."""


@dataclass(frozen=True)
class Flag(Kind):
    """True or false, or one of YAML's words for them."""

    def __str__(self) -> str:
        return "true or false"

    def _parse(self, value: Any) -> bool:
        word = str(value).strip().lower()
        if not isinstance(value, bool | str) or word not in FLAG_WORDS:
            raise ValueError
        return FLAG_WORDS[word]


@dataclass(frozen=True)
class Number(Kind):
    """A finite number.

    Args:
        least: and more.
        most: and less.
        above: more than that.
        below: less than that.
    """

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    _noun = "a number"

    def __str__(self) -> str:
        low = f"from {self.least:g}" if math.isfinite(self.least) else f"above {self.above:g}"
        if math.isinf(min(self.most, self.below)):
            return f"{self._noun} {low}" if low.startswith("above") else f"{self._noun}, {self.least:g} or more"
        return f"{self._noun} {low} to {'below ' if self.below < self.most else ''}{min(self.most, self.below):.10g}"

    def _parse(self, value: Any) -> Any:
        number: Any = float(value) if isinstance(value, str) else value  # YAML reads 1e-4 as a text
        is_number = isinstance(number, Real) and not isinstance(number, bool)
        if not is_number:
            raise ValueError
        if not (self.least <= number <= self.most and self.above < number < self.below):  # NaN is nowhere
            raise ValueError
        return number


@dataclass(frozen=True)
class Whole(Number):
    """A whole number, also written as one with a point or power of ten."""

    _noun = "a whole number"

    def __str__(self) -> str:
        return super().__str__()

    def _parse(self, value: Any) -> int:
        number = super()._parse(int(value) if isinstance(value, str) and value.strip().isdecimal() else value)
        if number != int(number):
            raise ValueError
        return int(number)


@dataclass(frozen=True)
class Word(Kind):
    """One of some words, in small or capital letters."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(", ".join(self.words).rsplit(", ", 1))

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in self.words:
            raise ValueError
        return value.lower()


@dataclass(frozen=True)
class Orientation(Kind):
    """Where three axes point: to R or L, A or P, I or S."""

    def __str__(self) -> str:
        return "three letters for where the axes point, such as LPS or RAS"

    def _parse(self, value: Any) -> str:
        if (
            not isinstance(value, str)
            or len(value) != 3
            or not all(set(value) & set(pair) for pair in ("RL", "AP", "IS"))
        ):
            raise ValueError
        return value


@dataclass(frozen=True)
class Text(Kind):
    """A text as it was typed, whatever else it looks like.

    Args:
        may_be_empty: whether no letter at all is a text, too.
    """

    may_be_empty: bool = False
    is_text = True

    def __str__(self) -> str:
        return "a text"

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str) or not (value or self.may_be_empty) or "\0" in value:
            raise ValueError
        return _unquoted(value)


@dataclass(frozen=True)
class Place(Text):
    """A file or folder."""

    def __str__(self) -> str:
        return "the name of a file or folder"

    def _parse(self, value: Any) -> str:
        return super()._parse(os.fspath(value) if isinstance(value, os.PathLike) else value)


@dataclass(frozen=True)
class Items(Kind):
    """A list; typed also as one item alone, or with commas.

    Args:
        of: kind of the items.
        least: so many at least.
        most: so many at most.
        once: no item twice.
    """

    of: Kind
    least: int = 1
    most: int | None = None
    once: bool = False

    @property
    def is_text(self) -> bool:  # type: ignore[override]
        """Whether the items are."""
        return self.of.is_text

    def __str__(self) -> str:
        return f"a list, each {self.of}{' and there once' * self.once}"

    def _parse(self, value: Any) -> list[Any]:
        items = _split(value, self.is_text)
        if len(items) < self.least or (self.most is not None and len(items) > self.most):
            raise ValueError
        parsed = [self.of.parse(item) for item in items]
        if self.once and len(set(parsed)) < len(parsed):
            raise ValueError
        return parsed


@dataclass(frozen=True)
class Interval(Kind):
    """A smallest and a largest value, 0 or more."""

    def __str__(self) -> str:
        return "the smallest and the largest value, both 0 or more"

    def _parse(self, value: Any) -> list[float]:
        low, high = Items(Number(least=0), 2, 2).parse(value)
        if low > high:
            raise ValueError
        return [low, high]


@dataclass(frozen=True)
class Entries(Kind):
    """Values by name.

    Args:
        of: kind of the values; None: any, which somebody else checks.
        named: kinds of the values by these names.
        least: so many at least.
    """

    of: Kind | None = None
    named: Mapping[str, Kind] = field(default_factory=dict)
    least: int = 0

    def __str__(self) -> str:
        named = "".join(f", {name} {kind}" for name, kind in self.named.items())
        return f"{{name: value, ...}}{f', each value {self.of}' if self.of else ''}{named}"

    def _parse(self, value: Any) -> dict[Any, Any]:
        entries = parse_flow(value) if isinstance(value, str) else value
        if not isinstance(entries, Mapping) or len(entries) < self.least:
            raise ValueError
        kinds = {key: self.named.get(str(key), self.of) for key in entries}
        return {key: item if (kind := kinds[key]) is None else kind.parse(item) for key, item in entries.items()}


@dataclass(frozen=True)
class Labels(Kind):
    """Names of structures and their label values, as :class:`tanq_monai.structures.ScoredStructures` has them.

    They stay a plain mapping, which MONAI's configs and command lines may hold.
    """

    def __str__(self) -> str:
        norms = " or ".join(reversed(NORMS))
        known = "{VS: 1, cochlea: 2} or the like, with values from 1 to 255, each of one structure"
        return f"{known}, or {{nerve: {{value: 3, norm: {OWN}}}}} and the like, with norm {norms}"

    def _parse(self, value: Any) -> dict[str, Any]:
        norm = Entries(named={"value": Items(Whole()), "norm": Word(NORMS)}, least=1)
        given = Entries(Either((norm, Items(Whole())))).parse(value)
        plain = {name: one.get("value", one) if isinstance(one, dict) else one for name, one in given.items()}
        structures = ScoredStructures(plain)
        values = {name: values[0] if len(values) == 1 else list(values) for name, values in structures.items()}
        return {
            name: given[name] | {"value": value} if isinstance(given[name], dict) else value
            for name, value in values.items()
        }


@dataclass(frozen=True)
class Either(Kind):
    """A value of one of several kinds, the first that fits."""

    kinds: tuple[Kind, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.kinds))

    def _parse(self, value: Any) -> Any:
        for kind in self.kinds:
            try:
                return kind.parse(value)
            except Misfit:
                continue
        raise ValueError


@dataclass(frozen=True)
class Device(Kind):
    """A device of torch that is there: cpu, cuda, cuda:1, ..."""

    def __str__(self) -> str:
        return "a device of this machine: cpu, cuda or cuda:N"

    def _parse(self, value: Any) -> Any:
        if value == "cpu":  # which is there wherever torch is, and where it is not
            return value
        import torch

        try:
            device = torch.device(value) if isinstance(value, str | torch.device) else None
        except RuntimeError as error:
            raise ValueError from error
        here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
        if device is None or not (device.index or 0) < here.get(device.type, 0):
            raise ValueError
        return value


@dataclass(frozen=True)
class Component(Kind):
    """What a config builds with ``_target_``, or what somebody has built in its place."""

    def __str__(self) -> str:
        return "a component with _target_"

    def _parse(self, value: Any) -> Any:
        if value is None or isinstance(value, str | Real | list | tuple):
            raise ValueError
        return value


def _unquoted(text: str) -> str:
    """The text in quotes within quotes, by which Fire and shells keep a text from being read as something else."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        return text
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _split(value: Any, as_typed: bool) -> Sequence[Any]:
    """The items of a list, or a typed one, or one item alone."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            value = _words_of_flow(text) if as_typed else parse_flow(text)
        else:
            inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
            value = [part.strip() for part in inner.split(",")]
    if value is None or isinstance(value, Mapping):
        raise ValueError
    return value if isinstance(value, Sequence) else [value]


def _words_of_flow(text: str) -> Any:
    """A list in YAML with its words as they were typed."""
    import yaml

    try:
        return yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError from error
