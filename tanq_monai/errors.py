"""A user's mistake, told in one line: which file, what is wrong with it, what to do."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType


class InputError(ValueError):
    """What a user gave cannot be used: one line, whatever strangers called their files.

    Args:
        where: the file, folder or setting.
        problem: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        super().__init__(printable(f"{where}: {problem}; {remedy}"))


class InputErrors(ValueError):
    """Several mistakes, one line each.

    Args:
        errors: the mistakes; or the text that torch makes of this very exception when a worker of a loader has raised
            it, traceback and all.
    """

    def __init__(self, errors: "Iterable[InputError | InputErrors] | str") -> None:
        if isinstance(errors, str):
            lines = errors.rpartition(f"{type(self).__qualname__}: ")[2].strip()
        else:
            lines = "\n".join(str(error) for error in errors)
        super().__init__(lines)


def printable(text: str) -> str:
    """One line without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_mistakes_in_one_line() -> None:
    """Make Python end with ``error: ...`` and exit code 1, not a traceback, when an :class:`InputError` escapes.

    MONAI wraps exceptions of components in ``RuntimeError``, so the chain of causes is searched. Everything else
    keeps its traceback.
    """
    sys.excepthook = _excepthook


def mistake_behind(error: BaseException | None) -> InputError | InputErrors | None:
    """The user's mistake that led to ``error``, if one did."""
    return next((e for e in _chain(error) if isinstance(e, InputError | InputErrors)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    mistake = mistake_behind(error)
    if mistake is None:
        sys.__excepthook__(kind, error, traceback)
        return
    for line in str(mistake).splitlines():
        print(f"error: {line}", file=sys.stderr)
