"""Files that are there completely or not at all."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tanq_monai.errors import InputError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, which takes its place when the ``with`` block has ended well.

    ``case_Label.nii.gz`` is written as ``.case_Label.writing-PID.nii.gz``: writers that look at the endings find the
    same ones, readers that look for ``*_Label.nii.gz`` do not find what a killed process left. After an error the
    temporary file is removed and ``path`` is as before. The folder is made. Of several processes that write the same
    file, the last one's stays.
    """
    path = Path(path)
    endings = "".join(path.suffixes)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name.removesuffix(endings)}.writing-{os.getpid()}{endings}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(path, f"cannot be written ({error.strerror})", "make room and start again") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_output_file(path: str | Path) -> Path:
    """Make the folder of a file that is to be written, and return its path; raise where it cannot be written."""
    path = Path(path)
    if path.is_dir():
        raise InputError(path, "is a folder", "give the name of a file")
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
        if existed and any(folder.iterdir()):
            raise InputError(folder, "is not empty", "give a new folder, so that nothing of another run is mixed in")
        temporary = folder / f".writing-{os.getpid()}"
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(folder, f"cannot be written to ({error.strerror})", "choose another folder") from error
    try:
        yield temporary
        for path in list(temporary.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def write_json(content: Any, path: str | Path) -> None:
    """Write JSON, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def file_stamps(paths: Iterable[str | Path]) -> list[list[Any]]:
    """Name, size and time of every file, sorted: what changes when one of them does."""
    files = sorted(str(Path(path).resolve()) for path in paths)
    return [[file, Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in files]


def check_output_dir(path: str | Path) -> Path:
    """Make the folder ``path`` and return it; raise where it cannot be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made a folder ({error.strerror})", "choose another output folder") from error
    try:
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise InputError(path, "cannot be written to", "choose another output folder") from error
