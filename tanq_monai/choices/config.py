"""The choices of a config, all checked before anything is loaded or written."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tanq_monai.choices.documents import TwiceError, parse_flow
from tanq_monai.choices.kinds import Kind, Misfit
from tanq_monai.choices.table import CHOICES, OPTIONS
from tanq_monai.errors import InputError, InputErrors

Config = Mapping[str, Any]
MAY_BE_NULL = "may_be_null"
# What MONAI and its clients look for; everything else in a config is there because something in it refers to it.
ENTRIES = frozenset(
    {
        *("imports", "initialize", "run", "finalize", "bundle_root", "_meta_", MAY_BE_NULL),
        *("network", "train", "validate", "save_execute_config"),
    }
)
_BUILT = ENTRIES - {"bundle_root", "save_execute_config"}  # of these no plain value, which undoes what they do
NULL_WORDS = frozenset({"null", "none", "~"})
_EVALUATED = ("$", "@", "%")  # how MONAI marks what it evaluates
_REFERENCE = re.compile(r"[@%](\w+)")
_HASH = "::"  # what MONAI makes of `#` in any text


def checked_choices(config: Config, typed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The choices of ``config`` that are plain values, as they were meant.

    Args:
        config: MONAI's, with what a user has chosen in place of its defaults.
        typed: words by name as the user typed them, where there is a command line.

    Raises:
        InputErrors: for all names that the config does not have, all values that their choices do not allow, and all
            references to nothing.
    """
    typed = typed or {}
    mistakes = [*_unknown(config, typed), *_dangling(config)]
    parsed: dict[str, Any] = {}
    for name in [name for name in config if name in CHOICES]:
        try:
            if not is_evaluated(config[name]) or typed.get(name, "").lower() in NULL_WORDS:
                parsed[name] = checked(name, config[name], typed.get(name), config.get(MAY_BE_NULL, ()))
        except InputError as mistake:
            mistakes.append(mistake)
    nested: Any = config
    for name in ("train", "trainer", "max_epochs"):  # by which MONAI's clients know it
        nested = nested.get(name, 1) if isinstance(nested, Mapping) else 1
    if not is_evaluated(nested):
        try:
            checked("max_epochs", nested, called="train#trainer#max_epochs")
        except InputError as mistake:
            mistakes.append(mistake)
    if mistakes:
        raise InputErrors(mistakes)
    return parsed


def checked(
    name: str, value: Any, typed: str | None = None, may_be_null: Iterable[str] = (), called: str | None = None
) -> Any:
    """The value of a choice as it was meant.

    Args:
        name: of the choice.
        value: as it was given.
        typed: the word that was typed for it.
        may_be_null: names of the choices that may also be none.
        called: what its name is where a user meets it; default the name.

    Raises:
        InputError: when the choice does not allow it.
    """
    kind, meaning = (CHOICES | OPTIONS)[name]
    if typed is not None and (kind.is_text or typed.lower() in NULL_WORDS):
        value = typed
    is_null = value is None or (isinstance(value, str) and value.lower() in NULL_WORDS)
    if is_null and name in may_be_null:
        return None
    if typed is not None and typed.startswith("{"):
        _check_named_once(typed, called or name)  # before Fire, which takes the last value
    try:
        if is_null:
            raise Misfit("is nothing")
        if kind.is_text and value is not typed and _HASH in str(value):
            raise Misfit("has ::, which is what MONAI makes of #")
        return kind.parse(value)
    except Misfit as error:
        null = " or null" if name in may_be_null else ""
        problem = str(error) if str(error).startswith("is not") else f"{error}, not {kind}"
        raise InputError(f"{called or name} {value}", problem, f"give one{null} ({meaning})") from error


def _check_named_once(typed: str, called: str) -> None:
    try:
        parse_flow(typed)
    except TwiceError as error:
        raise InputError(f"{called} {typed}", str(error), "name it once") from error
    except ValueError:  # which its kind tells
        return


def check_values(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Raise for the first of ``values`` that is not of its kind.

    Raises:
        InputError: which names it.
    """
    for name, kind in kinds.items():
        try:
            kind.parse(values[name])
        except Misfit as error:
            raise InputError(f"{name} {values[name]}", str(error), f"give {kind}") from error


def is_evaluated(value: Any) -> bool:
    """Whether MONAI makes something else of a value: an expression, a reference, a component, or what holds one."""
    if isinstance(value, str):
        return value.startswith(_EVALUATED)
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(is_evaluated, value.values()))
    return isinstance(value, list | tuple) and any(map(is_evaluated, value))


def references(value: Any) -> set[str]:
    """Names of the top of a config that a value of it refers to."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return set().union(*map(references, value))
    return set(_REFERENCE.findall(value)) if isinstance(value, str) and value.startswith(_EVALUATED) else set()


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The nearest of the known names, or all of them, each told with a prefix."""
    names = sorted(f"{prefix}{one}" for one in known)
    near = difflib.get_close_matches(f"{prefix}{name}", names, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"choose of {', '.join(names)}"


def _dangling(config: Config) -> Iterable[InputError]:
    """A mistake for every choice that MONAI takes for a reference and that refers to nothing: a folder called so."""
    for name in config.keys() & CHOICES.keys():
        value = config[name]
        if isinstance(value, str) and value.startswith("@") and not references(value) <= config.keys():
            remedy = f"write ./{value} where that is a file or folder"
            yield InputError(f"{name} {value}", "is a reference of MONAI's to what the config has not", remedy)


def _unknown(config: Config, typed: Mapping[str, str]) -> Iterable[InputError]:
    """A mistake for every plain value that is no choice, or does nothing since nothing refers to it.

    A default may do nothing, beside other choices; and Python may give what it has built in the place of any part.
    """
    used = references(config)
    for name, value in config.items():
        is_entry = name in ENTRIES and not (name in typed and name in _BUILT)
        if is_entry or value is None or is_evaluated(value):
            continue
        if (name not in used or name not in CHOICES) if name in typed else (name not in used | CHOICES.keys()):
            yield InputError(name, "is no choice here", did_you_mean(name, (used & CHOICES.keys()) - {name}))
