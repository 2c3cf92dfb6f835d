"""Zip files from elsewhere, unpacked into one folder and nowhere else."""

import contextlib
import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from tanq_monai.errors import InputError, InputErrors

MAX_GROWTH = 20  # times the size of the zip; ours are stored and do not grow
MAX_FILES = 5000
_END = b"PK\x05\x06"  # begins the last 22 bytes of a zip file without a comment
_BEFORE, _LISTED, _LAST = 30, 46, 22  # bytes before a member, of one in the list, and at the end, without names
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_AGAIN = "do not use it; fetch it again, or ask who published it"


@contextlib.contextmanager
def told_as_unusable(what: str | Path) -> Iterator[None]:
    """Whatever goes wrong inside is the fault of what strangers made, or of a full disk, and told in one line."""
    try:
        yield
    except (InputError, InputErrors):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            remedy = "make room, or choose another place: --output-dir of fetch, TMPDIR of audit"
            raise InputError("the disk", f"has no room for it ({error.strerror})", remedy) from error
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(what, f"cannot be judged ({type(error).__name__}: {reason})", _AGAIN) from error


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip whose members all lie in one folder, and return that folder, inside ``folder``.

    Raises:
        InputError: when it is damaged, holds anything but files and their list, or a member is a link, lies elsewhere,
            is there twice, or grows too much.
    """
    try:
        _check_end(archive)
        with zipfile.ZipFile(archive) as opened:
            root = _checked_root(archive, opened.infolist())
            _check_layout(archive, opened.infolist())
            for member in opened.infolist():
                _write(opened, member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise InputError(archive, f"is no whole zip file ({error})", _AGAIN) from error
    return folder / root


def _check_end(archive: Path) -> None:
    """Raise unless the list of members ends the file: else Python finds that of a zip inside, such as model.pt."""
    with archive.open("rb") as file:
        file.seek(max(archive.stat().st_size - 22, 0))
        end = file.read(len(_END))
    if end != _END:
        raise zipfile.BadZipFile("its end is missing")


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    path = folder / member.filename
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target)


def _check_layout(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raise unless the file is its members, one after the other, their list, and nothing else.

    In what Python skips, other programs find other names, or another list of members.
    """
    position = listed = 0
    with archive.open("rb") as file:
        for member in members:
            file.seek(position)
            name_size, extra_size = struct.unpack("<HH", file.read(_BEFORE)[-4:])
            if member.header_offset != position or extra_size or member.extra:
                raise InputError(archive, f"holds more at {member.filename!r} than this file", _AGAIN)
            position += _BEFORE + name_size + member.compress_size
            listed += _LISTED + name_size
    if position + listed + _LAST != archive.stat().st_size:
        raise InputError(archive, "holds more than its files and their list", _AGAIN)


def _checked_root(archive: Path, members: list[zipfile.ZipInfo]) -> str:
    names = [member.filename for member in members]
    for member in members:
        if problem := _problem(member):
            raise InputError(archive, f"holds {member.orig_filename!r}, {problem}", _AGAIN)
    roots = {name.split("/")[0] for name in names}
    if len(roots) != 1:
        raise InputError(archive, f"does not lie in one folder but in {len(roots)}", _AGAIN)
    folded = {name.casefold() for name in names}
    if len(folded) < len(names):
        raise InputError(archive, "holds a file twice", _AGAIN)
    size = sum(member.file_size for member in members)
    if size > MAX_GROWTH * archive.stat().st_size or len(names) > MAX_FILES:
        raise InputError(archive, f"grows to {len(names)} files of {size} bytes", _AGAIN)
    return roots.pop()


def _problem(member: zipfile.ZipInfo) -> str | None:
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = name.split("/")
    if name != member.orig_filename:
        return "whose name goes on behind its end"
    if member.is_dir():
        return "which is a folder of its own, which no bundle needs"
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
        return "which leads out of its folder"
    if kind not in (0, stat.S_IFREG):
        return "which is no plain file"
    if len(parts) == 1:
        return "which lies in no folder"
    return None
