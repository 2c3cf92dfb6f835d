"""The hooks of MONAI's runs: what a config does before everything else, and what it leaves in the end."""

import inspect
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

from monai.bundle.config_item import ConfigComponent
from monai.bundle.reference_resolver import ReferenceResolver

from tanq_monai.choices.config import (
    MAY_BE_NULL,
    Config,
    checked,
    checked_choices,
    did_you_mean,
    is_evaluated,
    references,
)
from tanq_monai.choices.table import CHOICES
from tanq_monai.errors import InputError, InputErrors, mistake_behind
from tanq_monai.provenance import write_provenance
from tanq_monai.ranks import is_first_rank

_FLAG = re.compile(r"--|-[A-Za-z]")  # what Fire takes for an option, and not for the value of one


def check() -> None:
    """Check all choices of the config whose expression this call is, and put what was meant in their place.

    MONAI takes any name and any value, and its command line changes some: ``1.10`` becomes 1.1, ``case#1`` case,
    ``None`` the default, ``false`` a text. Choices that follow from others are worked out and checked here, too; those
    that follow from scans are not.

    Raises:
        InputErrors: see :func:`tanq_monai.choices.config.checked_choices`; for components with arguments that they do
            not take; and for choices that cannot be worked out.
    """
    resolver = _resolver()
    config = resolver.items[""].get_config()
    resolver.resolved_content.update(checked_choices(config, typed_words(sys.argv)))
    mistakes: list[InputError] = list(_foreign_arguments(resolver))
    failed: set[str] = set()
    for name in () if mistakes else _follow_from_choices(config):
        if references(config[name]) & failed:
            failed.add(name)
            continue
        try:
            value = _worked_out(resolver, name)
            text = value if isinstance(value, str) else None
            resolver.resolved_content[name] = checked(name, value, text, config.get(MAY_BE_NULL, ()))
        except InputError as mistake:
            mistakes.append(mistake)
            failed.add(name)
    if mistakes:
        raise InputErrors(mistakes)


def leave_provenance(folder: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Write ``provenance.json`` of the run whose expression this call is, the last but for what may still be refused.

    Of several processes that train together the first one writes.

    Args:
        folder: of the results.
        inputs: files and folders that were read; those that are null or not there were not.

    Raises:
        InputError: see :func:`tanq_monai.provenance.write_provenance`.
    """
    if not is_first_rank():
        return
    resolver = _resolver()
    config, values = resolver.items[""].get_config(), resolver.resolved_content
    choices = {name: values.get(name, given) for name, given in config.items() if name in CHOICES}
    read = [Path(place) for place in inputs if place is not None and Path(place).exists()]
    write_provenance(Path(folder), _command(), choices, read)


def _command() -> str:
    """What was typed; of a program that embeds the bundle, what MONAI calls it."""
    program, *words = sys.argv or [""]
    return shlex.join(["python", "-m", "monai.bundle", *words]) if _is_monai(program) else "ConfigWorkflow"


def _is_monai(program: str) -> bool:
    return Path(program).parts[-3:] == ("monai", "bundle", "__main__.py")


def typed_words(arguments: Sequence[str]) -> dict[str, str]:
    """The word after every option, by its name, as it was typed; of another program than MONAI's bundles none.

    Expressions and references are left to MONAI.

    Args:
        arguments: of the process, the program being the first.
    """
    program, *words = arguments or [""]
    if not _is_monai(program):
        return {}
    typed = {}
    for word, following in pairwise([*words, "--"]):
        if _FLAG.match(word):
            name, equals, value = word.lstrip("-").partition("=")
            typed[name.replace("-", "_")] = value if equals else "" if _FLAG.match(following) else following
    return {name: word for name, word in typed.items() if word and not is_evaluated(word)}


def _resolver() -> ReferenceResolver:
    """What holds the config and its values: MONAI hands it to no expression, but calls every one from it."""
    frame = inspect.currentframe()
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ReferenceResolver):
            return frame.f_locals["self"]
        frame = frame.f_back
    raise RuntimeError("choices are checked in a config's initialize, and nowhere else")


def _follow_from_choices(config: Config) -> list[str]:
    """The choices that are expressions of nothing but other choices, those before which others need."""
    follow = {name for name in config.keys() & CHOICES.keys() if is_evaluated(config[name])}
    while others := {name for name in follow if not references(config[name]) <= follow | _plain(config)}:
        follow -= others
    ordered: list[str] = []
    while left := [name for name in config if name in follow and name not in ordered]:
        ready = [name for name in left if not references(config[name]) & set(left)]
        ordered += ready or left  # in a circle, of which MONAI tells
    return ordered


def _plain(config: Config) -> set[str]:
    return {name for name in config.keys() & CHOICES.keys() if not is_evaluated(config[name])}


def _worked_out(resolver: ReferenceResolver, name: str) -> Any:
    try:
        return resolver.get_resolved_content(name)
    except Exception as error:
        cause: BaseException = mistake_behind(error) or error
        while (deeper := cause.__cause__ or cause.__context__) is not None and not isinstance(cause, InputError):
            cause = deeper
        if isinstance(cause, InputError):
            raise cause from error
        problem = f"cannot be worked out ({type(cause).__name__}: {cause})"
        raise InputError(name, problem, f"give a value ({CHOICES[name].meaning})") from error


def _foreign_arguments(resolver: ReferenceResolver) -> Iterator[InputError]:
    """A mistake for every argument that a component of the config does not take."""
    for place, item in resolver.items.items():
        if isinstance(item, ConfigComponent):
            target = item.resolve_module_name()
            known = _parameters(target)
            for name in item.resolve_args().keys() - known if known else ():
                where = f"{place}::{name}".replace("::", "#")
                yield InputError(where, f"is no argument of {target}", did_you_mean(name, known or ()))


def _parameters(target: Any) -> set[str] | None:
    """Names of the arguments of a class or function; None where it takes any, or does not say, or is not there."""
    try:
        called = locate(target) if isinstance(target, str) else target
        parameters = inspect.signature(called).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError, ErrorDuringImport):
        return None
    open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    return None if open_ended else {parameter.name for parameter in parameters}
