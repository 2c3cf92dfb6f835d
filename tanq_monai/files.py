"""Files that are there completely or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tanq_monai.claims import claimed, is_claimed, lock
from tanq_monai.errors import REMEDIES, InputError, InputErrors, errno_of

WRITTEN = ".written.sha256"  # digests of results
VIRTUAL = ".virtual.sha256"  # of virtual patients, whose files no result may replace
_NO_PLACE = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
_PROBE = 1 << 20  # bytes


@dataclass
class _Read:
    """What of a record has been read: the file, how many bytes, and the digests that they told, by name."""

    inode: int
    size: int = 0
    digests: dict[str, set[str]] = field(default_factory=dict)


_READ: dict[Path, _Read] = {}  # in a folder of a thousand results the record is asked a thousand times


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, which takes its place when the ``with`` block has ended well.

    ``case_Label.nii.gz`` is written as ``.case_Label.writing-TOKEN.nii.gz``: writers that look at the endings find the
    same ones, readers that look for ``*_Label.nii.gz`` do not find what a killed process left, which the next one that
    writes there removes (:mod:`tanq_monai.claims`). After an error the temporary file is removed and ``path`` is as
    before. The folder is made. Of several processes that write the same file, the last one's stays.

    Raises:
        InputError: when there is no room, or nothing may be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with claimed(path) as temporary:
            try:
                yield temporary
                os.replace(temporary, path)
            finally:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
    except OSError as error:
        refused, where = errno_of(error), path if error.filename is None else Path(error.filename)
        is_own = where in (path, *path.parents) or (where.parent == path.parent and is_claimed(where))
        if not is_own or (refused not in REMEDIES and refused not in _NO_PLACE):
            raise
        remedy = REMEDIES.get(refused, "choose another place")
        raise InputError(path, f"cannot be written ({error.strerror or error})", remedy) from error


@contextlib.contextmanager
def told_when_full(folder: str | Path) -> Iterator[None]:
    """What others write into ``folder``: whatever they make of a disk that is full, it is told as that.

    Raises:
        InputError: after an error within the ``with`` block, when nothing more can be written there.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(_PROBE))
        except OSError as refusal:
            if refusal.errno in REMEDIES:
                problem = f"cannot be written to ({refusal.strerror})"
                raise InputError(folder, problem, REMEDIES[refusal.errno]) from error
        raise


@contextlib.contextmanager
def renewing(path: str | Path, record: str = WRITTEN) -> Iterator[Path]:
    """As :func:`replacing`, for results: what lies there is replaced only if an earlier run wrote it, as it is now.

    Nobody's own scan, label or table is lost by the choice of a folder, nor what somebody corrected in a result. The
    folder keeps the digests of its results in ``.written.sha256``, as ``sha256sum --check`` reads them.

    Args:
        path: of the file.
        record: the file of digests that decides, :data:`WRITTEN` or :data:`VIRTUAL`.

    Raises:
        InputError: as :func:`replacing` and :func:`check_renewable`.
    """
    path = Path(path)
    check_renewable([path], record)
    with replacing(path) as temporary:
        yield temporary
        digest = sha256_of(temporary)
        if not path.exists() or sha256_of(path) != digest:  # else it stands there already
            # Before the file takes its place: whenever a run is killed, no result of it lies there unknown.
            add_line(f"{digest}  {path.name}", path.parent / record)


def check_renewable(paths: Iterable[str | Path], record: str = WRITTEN) -> None:
    """Raise for files that :func:`renewing` would not replace, before the work.

    Raises:
        InputErrors: one line for each.
        InputError: when what their folder keeps of earlier runs cannot be read.
    """
    remedy, files = "take it away, or choose another place", [*map(Path, paths)]
    for folder in {file.parent for file in files}:
        _digests_in(folder / record)
    foreign = list(unwritten((path for path in files if path.exists()), record))
    if foreign:
        problem = "is there already, and not as an earlier run wrote it"
        raise InputErrors(InputError(path, problem, remedy) for path in foreign)


def is_written(path: Path, record: str = WRITTEN) -> bool:
    """Whether a file is, byte for byte, what :func:`renewing` wrote. Of many files ask :func:`unwritten`."""
    return not any(unwritten([path], record))


def unwritten(paths: Iterable[Path], record: str = WRITTEN) -> Iterator[Path]:
    """Those that are not, byte for byte, what :func:`renewing` wrote; the record of each folder is read once."""
    digests: dict[Path, dict[str, set[str]]] = {}
    for path in paths:
        if path.parent not in digests:
            digests[path.parent] = _digests_in(path.parent / record)
        own = digests[path.parent].get(path.name)
        if not own or not path.is_file() or sha256_of(path) not in own:
            yield path


def _digests_in(path: Path) -> dict[str, set[str]]:
    """The digests that every file has been written with, by its name; of a record that has grown, the rest is read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            read = _READ.get(path)
            if read is None or read.inode != status.st_ino or read.size > status.st_size:
                read = _READ[path] = _Read(status.st_ino)
            file.seek(read.size)
            lines = file.readlines()
    except (FileNotFoundError, NotADirectoryError):  # who writes there says what is wrong with the folder
        return {}
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "take it away, or choose another place") from error
    for line in lines:
        text = line.decode(errors="surrogateescape").removesuffix("\n")
        read.digests.setdefault(text[66:], set()).add(text[:64])
        read.size += len(line) if line.endswith(b"\n") else 0  # else it may be being written
    return read.digests


def check_output_file(path: str | Path, *inputs: str | Path | None) -> Path:
    """Make the folder of a file that is to be written, and return its path; raise where it must or can not be written.

    Args:
        path: of the file.
        inputs: what it is made of, files or folders: none of them may be it, also not by a link.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(path, "is a folder", "give the name of a file")
    if path.exists() and any(Path(own).exists() and path.samefile(own) for own in inputs if own is not None):
        raise InputError(path, "would replace what it is made of", "give another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise InputError(path, f"cannot be written ({error.strerror})", "choose another place") from error


@contextlib.contextmanager
def filling(folder: str | Path) -> Iterator[Path]:
    """A temporary folder in ``folder``, whose files and folders move up when the ``with`` block has ended well.

    After an error all of it is removed, ``folder`` too if it was not there before.

    Raises:
        InputError: when ``folder`` holds anything, or cannot be made.
    """
    folder = Path(folder)
    existed = folder.exists()
    try:
        with contextlib.ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                temporary = stack.enter_context(aside(folder / "results"))
                if any(not path.name.startswith(temporary.name) for path in folder.iterdir()):
                    problem, remedy = "is not empty", "give a new folder, so that nothing of another run is mixed in"
                    raise InputError(folder, problem, remedy)
            except OSError as error:
                raise InputError(folder, f"cannot be written to ({error.strerror})", "choose another folder") from error
            yield temporary
            for path in list(temporary.iterdir()):
                os.replace(path, folder / path.name)
    finally:
        if not existed and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, which is gone when the ``with`` block has ended: to make things in, whole.

    What a killed process leaves of it, the next one that writes there removes, see :mod:`tanq_monai.claims`.

    Args:
        path: of what is to take its place there in the end; its folder is there.

    Raises:
        OSError: when it cannot be made.
    """
    with claimed(path) as temporary:
        temporary.mkdir()
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8, in which names of files stay the bytes that they are on the disk, whatever these are."""
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def add_line(text: str, path: Path) -> None:
    """Append a line, as :func:`write_text`; below one that broke off when the disk was full or the process killed.

    One process after the other: where several machines share a file system, what they append at once may be lost.
    """
    with path.open("a+b") as file:
        lock(file)  # until it is closed
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        begin = "\n" if file.read(1) not in (b"", b"\n") else ""
        file.write(f"{begin}{text}\n".encode(errors="surrogateescape"))


def write_json(content: Any, path: str | Path) -> None:
    """Write JSON, completely or not at all; a file that says so already is left as it is."""
    path, text = Path(path), json.dumps(content, indent=2) + "\n"
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(*paths: Path) -> str:
    """SHA-256 of the bytes of all these files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def file_stamps(paths: Iterable[str | Path]) -> list[list[Any]]:
    """Name, size and time of every file, sorted: what changes when one of them does.

    Args:
        paths: files, or folders whose files are meant, those of folders in them too, and hidden ones not.
    """
    files = sorted({str(file.resolve()) for path in paths for file in _files(Path(path))})
    return [[file, Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in files]


def check_output_dir(path: str | Path, *inputs: str | Path) -> Path:
    """Make the folder ``path`` and return it; raise where it cannot or must not be written to.

    Args:
        path: of the folder.
        inputs: folders of what the results are made of: none of them may be it, also not by a link.
    """
    path = Path(path)
    if path.exists() and any(Path(own).exists() and path.samefile(own) for own in inputs):
        raise InputError(path, "holds what the results are made of", "choose another output folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made a folder ({error.strerror})", "choose another output folder") from error
    try:
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise InputError(path, "cannot be written to", "choose another output folder") from error


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))
