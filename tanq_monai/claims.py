"""Names for what is being written, each claimed by one process; what dead ones left under such names is taken away.

Who writes ``a.nii.gz`` holds the empty file ``.a.writing-TOKEN.claim`` locked while it writes
``.a.writing-TOKEN.nii.gz``. The system gives the lock up when a process ends, however it ends. Unlike a process number
it is right in containers, after a restart, and on other machines where the file system has locks. Where there are none,
as on Windows, nothing is taken away.
"""

import contextlib
import functools
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_WRITTEN = re.compile(r"(\..+\.writing-[0-9a-f]+)(?:\..*)?")
_CLAIM = ".claim"


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[Path]:
    """A name beside ``path``, in a folder that is there, which no other process has: hidden, with the same endings.

    Before a process writes into a folder for the first time, it removes what dead ones left there.

    Args:
        path: what is to be there in the end, a file or a folder.

    Raises:
        OSError: where nothing may be written.
    """
    _remove_left(path.parent.absolute())
    endings = "".join(path.suffixes)
    claim, held = _claim(path.with_name(f".{path.name.removesuffix(endings)}.writing-"))
    try:
        yield path.with_name(claim.stem + endings)
    finally:
        held.close()
        with contextlib.suppress(OSError):
            claim.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[IO[str]]:
    """A file that one process at a time has open, and those that it starts with it; afterwards it is gone.

    Whoever has it gives it up by ending, however that happens. Where the file system has no locks, all have it.

    Args:
        path: of the file; its folder is made.
        wait: until nobody else has it.

    Raises:
        BlockingIOError: when somebody has it, and it is not waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as file:
            lock(file, wait)
            if not _is_there(path, file):
                continue  # who had it before has taken it away
            try:
                yield file
                return
            finally:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def lock(file: IO[Any], wait: bool = True) -> None:
    """Have an open file alone until it is closed; where the file system has no locks, all have it.

    Raises:
        BlockingIOError: when somebody has it, and it is not waited for.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        pass


def _is_there(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def is_claimed(path: Path) -> bool:
    """Whether it has a name of what is being written."""
    return _WRITTEN.fullmatch(path.name) is not None


def _claim(begin: Path) -> tuple[Path, IO[str]]:
    """A new claim, of a name that begins so, and what holds it until it is closed."""
    while True:
        claim = begin.with_name(f"{begin.name}{secrets.token_hex(4)}{_CLAIM}")
        held = claim.open("x")
        lock(held)
        if claim.exists():
            return claim, held
        held.close()  # before it was locked, somebody took it for a dead one's


@functools.cache
def _remove_left(folder: Path) -> None:
    """Once in the life of a process: a folder of results may hold thousands of files."""
    left: dict[str, list[Path]] = {}
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if match := _WRITTEN.fullmatch(path.name):
                left.setdefault(match[1], []).append(path)
    for base, paths in left.items() if fcntl is not None else ():
        _remove_unless_alive(folder / (base + _CLAIM), paths)


def _remove_unless_alive(claim: Path, paths: list[Path]) -> None:
    with contextlib.ExitStack() as stack:
        try:
            fcntl.flock(stack.enter_context(claim.open("r+b")), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass  # who writes has a claim from before it begins until after it has ended
        except OSError:
            return  # it is alive, or the system cannot tell
        for path in (*paths, claim):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
