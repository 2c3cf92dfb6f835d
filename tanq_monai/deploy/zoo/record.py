"""What was installed, so that a later fetch can tell whether it still is."""

import hashlib
import json
from pathlib import Path

from tanq_monai.deploy.zoo.index import Entry
from tanq_monai.errors import InputError
from tanq_monai.files import write_json

RECORD = "installed.json"


def write_record(folder: Path, entry: Entry) -> None:
    """Note the SHA-256 of the zip file and of every file in ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in files}
    write_json({"sha256": entry.sha256, "files": digests}, folder / RECORD)


def check_record(folder: Path, entry: Entry) -> None:
    """Raise :class:`InputError` unless ``folder`` holds what was fetched as ``entry``; more files may lie there."""
    remedy = f"move {folder} away and fetch again"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        archive, digests = record["sha256"], record["files"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(folder, f"was not installed by fetch: it has no {RECORD}", remedy) from error
    if archive != entry.sha256:
        raise InputError(folder, "is not what the zoo now has under this version", remedy)
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise InputError(path, "is not as it was installed", remedy)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
