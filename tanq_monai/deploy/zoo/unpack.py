"""Zip files from elsewhere, unpacked into one folder and nowhere else."""

import contextlib
import errno
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tanq_monai.errors import InputError, InputErrors

_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)+", re.ASCII)  # nothing hidden, no way up, no drive, no folder
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
        raise InputError(what, f"cannot be used ({type(error).__name__}: {reason})", _AGAIN) from error


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip whose members all lie in one folder, and return that folder, inside ``folder``.

    Only plain files come out, whatever else a zip can tell of its members.

    Raises:
        InputError: when it is damaged, names lead elsewhere or are there twice, or it grows: ours are stored.
    """
    with told_as_unusable(archive), zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        names = [member.filename for member in members]
        for name in names:
            if not _NAME.fullmatch(name):
                raise InputError(archive, f"holds {name!r}, which is no plain name of a file in a folder", _AGAIN)
        if len({name.casefold() for name in names}) < len(names):
            raise InputError(archive, "holds a file twice", _AGAIN)
        roots = {name.partition("/")[0] for name in names}
        if len(roots) != 1:
            raise InputError(archive, f"does not lie in one folder but in {len(roots)}", _AGAIN)
        size = sum(member.file_size for member in members)
        if size > archive.stat().st_size:
            raise InputError(archive, f"grows to {size} bytes", _AGAIN)
        for member in members:
            path = folder / member.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target)
    return folder / roots.pop()
