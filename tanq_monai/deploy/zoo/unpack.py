"""Zip files from elsewhere, unpacked into one folder and nowhere else."""

import contextlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tanq_monai.errors import InputError, InputErrors

MAX_GROWTH = 20  # times the size of the zip; ours are stored and do not grow
MAX_FILES = 5000
_END = b"PK\x05\x06"  # begins the last 22 bytes of a zip file without a comment
_AGAIN = "do not use it; fetch it again, or ask who published it"


@contextlib.contextmanager
def told_as_unusable(what: str | Path) -> Iterator[None]:
    """Whatever goes wrong inside is the fault of what strangers made, and told in one line."""
    try:
        yield
    except (InputError, InputErrors):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(what, f"cannot be judged ({type(error).__name__}: {reason})", _AGAIN) from error


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip whose members all lie in one folder, and return that folder, inside ``folder``.

    Raises:
        InputError: when it is damaged, or a member is a link, lies elsewhere, is there twice, or grows too much.
    """
    try:
        _check_end(archive)
        with zipfile.ZipFile(archive) as opened:
            root = _checked_root(archive, opened.infolist())
            for member in opened.infolist():
                _write(opened, member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
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
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target)


def _checked_root(archive: Path, members: list[zipfile.ZipInfo]) -> str:
    names = [member.filename for member in members]
    roots = {PurePosixPath(name).parts[0] if name else "" for name in names}
    for member in members:
        if problem := _problem(member):
            raise InputError(archive, f"holds {member.filename!r}, {problem}", _AGAIN)
    if len(roots) != 1:
        raise InputError(archive, f"does not lie in one folder but in {len(roots)}", _AGAIN)
    folded = {name.rstrip("/").casefold() for name in names}
    if len(folded) < len(names):
        raise InputError(archive, "holds a file twice", _AGAIN)
    size = sum(member.file_size for member in members)
    if size > MAX_GROWTH * archive.stat().st_size or len(names) > MAX_FILES:
        raise InputError(archive, f"grows to {len(names)} files of {size} bytes", _AGAIN)
    return roots.pop()


def _problem(member: zipfile.ZipInfo) -> str | None:
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = name.rstrip("/").split("/")
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
        return "which leads out of its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "which is no plain file"
    if len(parts) == 1 and not member.is_dir():
        return "which lies in no folder"
    return None
