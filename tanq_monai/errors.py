"""A user's mistake, told in one line: which file, what is wrong with it, what to do."""

import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

STOPPED, ENDED = 130, 143  # exit codes after Ctrl-C (SIGINT) and SIGTERM, as shells tell them

# What an operating system says of a place or a disk, and never of a fault of ours.
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room and start again"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "choose another place, or mend its permissions"),
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ESTALE), "see to the disk and start again"),
}
_SHORT_WRITE = "requested and"  # so NumPy tells of a file that could not be written to its end, without an errno
# How torch and nnU-Net tell that a process which loads or prepares data for them was killed.
_DEAD_WORKER = ("DataLoader worker", "Some background worker")


class InputError(ValueError):
    """What a user gave cannot be used: one line, whatever strangers called their files.

    Args:
        where: the file, folder or setting.
        problem: what is wrong with it.
        remedy: what the user can do.
    """

    def __init__(self, where: str | Path, problem: str, remedy: str) -> None:
        self.where, self.problem, self.remedy = str(where), problem, remedy
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
    """Make Python end in one line, not in a traceback, where nothing is wrong with the program.

    A mistake ends with ``error: ...`` and exit code 1, Ctrl-C with ``stopped`` and 130. SIGTERM ends with 143 and
    without a word, after everything was cleaned up as after Ctrl-C; to a client that has a way of its own to end, it is
    left. MONAI wraps exceptions of components in ``RuntimeError``, so the chain of causes is searched. Everything else
    keeps its traceback. Letters that the terminal lacks, as in names of files that are no text, do not end a program.
    """
    sys.excepthook = _excepthook
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as Python has stderr
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, _go_on_ending)
    sys.exit(ENDED)


def _go_on_ending(*_: object) -> None:
    """A second signal, of a whole group, would cut the cleaning up short."""


def _end_in_the_common_way() -> None:
    """In a forked process, such as of a pool, whose parent ends it by SIGTERM: cleaning up is not its business.

    Where the signal came while Python swallows exceptions, it would else be lost, and the parent would wait for ever.
    """
    if signal.getsignal(signal.SIGTERM) in (_end, _go_on_ending):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=_end_in_the_common_way)


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started in it hear nothing of Ctrl-C, else each would print a traceback: their parent does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which they inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def mistake_behind(error: BaseException | None) -> InputError | InputErrors | None:
    """The user's mistake that led to ``error``, if one did; or what the machine refused: room, a place, a process."""
    for e in _chain(error):
        if isinstance(e, InputError | InputErrors):
            return e
    while error is not None:
        if isinstance(error, OSError) and (refused := errno_of(error)) in REMEDIES:
            where = error.filename if error.filename is not None else "disk"
            return InputError(where, f"cannot be used ({error.strerror or error})", REMEDIES[refused])
        if isinstance(error, RuntimeError) and str(error).startswith(_DEAD_WORKER):
            problem = "one of the processes that prepare data was killed, perhaps because memory ran out"
            return InputError("num_workers, num_processes", problem, "start again, with fewer of them")
        error = error.__cause__  # no context: what a fault of ours came up in is not what led to it
    return None


def errno_of(error: OSError) -> int | None:
    """What the system said, also where NumPy leaves that out."""
    return errno.ENOSPC if error.errno is None and _SHORT_WRITE in str(error) else error.errno


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    stopped = issubclass(kind, KeyboardInterrupt)
    mistake = None if stopped else mistake_behind(error)
    if mistake is None and not stopped:
        sys.__excepthook__(kind, error, traceback)
        return
    _close_progress_bars()
    if stopped:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would be told in Python's own words
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)
    for line in str(mistake).splitlines():
        print(f"error: {line}", file=sys.stderr)


def _close_progress_bars() -> None:
    """Else the message stands in the line of a bar. Where tqdm was not imported, there is none."""
    bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    for bar in list(bars):
        bar.close()
