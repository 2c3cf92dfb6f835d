"""The words that follow a command: checked before anything large is imported, and handed over as they are meant."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter

from fire.decorators import SetParseFn, SetParseFns

from tanq_monai import manual
from tanq_monai.choices.config import checked, did_you_mean
from tanq_monai.choices.kinds import FLAG_WORDS, Flag
from tanq_monai.choices.table import CHOICES, OPTIONS
from tanq_monai.errors import InputError

Command = Callable[..., object]
_OPTION = re.compile(r"--|-[A-Za-z]")  # and no negative number


def plain_words(name: str, command: Command, words: Sequence[str]) -> list[str]:
    """The words in one plain form: what is no option first, then every option as ``--name=value``.

    Fire would take the word behind a flag for its value, put True in place of a value that is missing, and tell of an
    unknown option only when the command has run.

    Args:
        name: of the command.
        command: the function.
        words: that follow the name.

    Raises:
        InputError: for an option that the command does not have, or without its value; and for what is missing.
    """
    parameters = inspect.signature(command).parameters
    known = {manual.dashed(one): isinstance((CHOICES | OPTIONS)[one].kind, Flag) for one in parameters}
    takes_words = any(one.kind is Parameter.VAR_POSITIONAL for one in parameters.values())
    plain: list[str] = []
    given: dict[str, str] = {}
    left = list(words)
    while left and left[0] != "--":
        word = left.pop(0)
        if not _OPTION.match(word):
            plain.append(word)
            continue
        option, equals, value = word.lstrip("-").partition("=")
        option = _option(name, word, manual.dashed(option), known)
        if equals:
            given[option] = value
        elif option not in known:
            given[option.removeprefix("no")] = "false"
        elif known[option] and not _is_value(left, takes_words):
            given[option] = "true"
        elif not left or _OPTION.match(left[0]):
            raise InputError(word, "has no value", f"write {word} and its value, or leave it out")
        else:
            given[option] = left.pop(0)
    _check_all_given(name, list(parameters.values()), given, len(plain))
    return [*plain, *(f"--{option}={value}" for option, value in given.items()), *left]


def typed(command: Command) -> Command:
    """``command``, whose words fire hands over as they are meant by the table of choices."""
    parameters = inspect.signature(command).parameters.items()
    parsers = {name: partial(_meant, name, parameter.default is None) for name, parameter in parameters}
    for name, parameter in parameters:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            command = SetParseFn(parsers.pop(name))(command)
    with_parsers: Command = SetParseFns(**parsers)(command)
    return with_parsers


def _option(command: str, word: str, option: str, known: Mapping[str, bool]) -> str:
    """The option that is meant: one that the command has, or one of its flags with ``no`` before it.

    Args:
        command: its name.
        word: as it was typed.
        option: the same without dashes before it.
        known: options of the command, and whether they are flags.
    """
    if not word.startswith("--"):
        meant = [one for one in sorted(known) if one.startswith(option)]
        if len(meant) == 1:
            return meant[0]
        several = " or ".join(f"--{one}" for one in meant)
        raise InputError(word, f"may be {several}" if meant else f"is no option of {command}", "write it in full")
    if option not in known and not known.get(option.removeprefix("no"), False):
        raise InputError(f"--{option}", f"is no option of {command}", did_you_mean(option, [*known, "help"], "--"))
    return option


def _is_value(left: Sequence[str], takes_words: bool) -> bool:
    """Whether what follows a flag is its value; where a command takes words of any kind, only a word of YAML's is."""
    return bool(left) and (left[0].lower() in FLAG_WORDS or not (takes_words or _OPTION.match(left[0])))


def _check_all_given(command: str, parameters: Sequence[Parameter], given: Mapping[str, str], num_plain: int) -> None:
    """Raise where a command lacks something that it needs; words that are no options stand for the first of these."""
    needed = [one for one in parameters if one.default is Parameter.empty and manual.dashed(one.name) not in given]
    for one in needed:
        if num_plain and one.kind is not Parameter.KEYWORD_ONLY:
            num_plain -= 1
        else:
            raise InputError(command, f"needs {manual.needed(one)}", f"see {manual.PROGRAM} {command} --help")


def _meant(name: str, may_be_null: bool, word: str) -> object:
    return checked(name, word, word, (name,) if may_be_null else (), f"--{manual.dashed(name)}")
