"""What was installed, so that a later fetch can tell whether it still is."""

import json
from collections.abc import Set
from pathlib import Path

from tanq_monai.deploy.zoo.index import Entry
from tanq_monai.deploy.zoo.release import digest, digests
from tanq_monai.errors import InputError
from tanq_monai.files import write_json

RECORD = "installed.json"


def write_record(folder: Path, entry: Entry) -> None:
    """Note the SHA-256 of the zip file and of every file in ``folder``."""
    write_json({"sha256": entry.sha256, "files": digests(folder)}, folder / RECORD)


def check_record(folder: Path, entry: Entry, wanted: Set[str]) -> None:
    """Raise :class:`InputError` unless ``folder`` holds what was fetched as ``entry``, and all files that are wanted.

    More files may lie there.
    """
    remedy = f"move {folder} away and fetch again"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        archive, files = record["sha256"], dict(record["files"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(folder, f"was not installed by fetch: it has no {RECORD}", remedy) from error
    if archive != entry.sha256:
        raise InputError(folder, "is not what the zoo now has under this version", remedy)
    if missing := sorted(wanted - files.keys()):
        raise InputError(folder, f"was installed without {missing[0]}", remedy)
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file() or digest(path.read_bytes()) != sha256:
            raise InputError(path, "is not as it was installed", remedy)
