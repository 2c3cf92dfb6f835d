"""``model_info.json``: which bundles of which versions a zoo has, and the SHA-256 of every file of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tanq_monai.choices.documents import parse_json
from tanq_monai.deploy.zoo.source import INDEX, Zoo
from tanq_monai.errors import InputError

_KEY = re.compile(r"(?P<name>\w+)_v(?P<version>\d{1,6}(\.\d{1,6}){0,9})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OTHER_ZOO = "give the zoo that scripts/package_zoo.py made"


@dataclass(frozen=True)
class Entry:
    """A bundle in one version.

    Attributes:
        name: of the bundle.
        version: such as 0.10.0.
        sha256: of its zip file.
        size: of its zip file, in bytes.
        files: SHA-256 of what is in it, by name inside the bundle.
    """

    name: str
    version: str
    sha256: str
    size: int
    files: Mapping[str, str]

    @property
    def stem(self) -> str:
        """Name and version, as folders are called."""
        return f"{self.name}_v{self.version}"

    @property
    def archive(self) -> str:
        """The name of its zip file, beside the index. ``source``, which MONAI follows, may name another server."""
        return f"{self.stem}.zip"


def find_entry(zoo: Zoo, name: str, version: str | None) -> Entry:
    """The bundle ``name`` in ``version``, or in its newest.

    Raises:
        InputError: when the zoo, the bundle or the version is not there.
    """
    listed = _read(zoo)
    entries = {entry.version: entry for entry in listed if entry.name == name}
    if not entries:
        known = ", ".join(sorted({entry.name for entry in listed})) or "none"
        raise InputError(zoo.address, f"has no bundle {name}", f"choose one of {known}")
    chosen = max(entries, key=as_numbers) if version is None else version
    if chosen not in entries:
        known = ", ".join(sorted(entries, key=as_numbers))
        raise InputError(zoo.address, f"has no version {version} of {name}", f"choose one of {known}")
    return entries[chosen]


def as_numbers(version: str) -> tuple[int, ...]:
    """What versions are sorted by: 0.10 is newer than 0.9. What follows the numbers is left out, 2.8.0+cu128."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(number) for number in match.group().split(".")) if match else ()


def _read(zoo: Zoo) -> list[Entry]:
    """All entries; other zoos' without sizes and SHA-256 are refused, since nothing could be checked."""
    text = zoo.read_index()
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(zoo.place(INDEX), "is no JSON", _OTHER_ZOO) from error
    if not isinstance(content, dict):
        raise InputError(zoo.place(INDEX), "is no list of bundles", _OTHER_ZOO)
    return [_entry(zoo, key, value) for key, value in content.items()]


def _entry(zoo: Zoo, key: str, value: object) -> Entry:
    match, found = _KEY.fullmatch(key), value if isinstance(value, dict) else {}
    size, files = found.get("size"), found.get("files")
    digests = [found.get("sha256"), *(files.values() if isinstance(files, dict) else [None])]
    is_whole = all(isinstance(digest, str) and _SHA256.fullmatch(digest) for digest in digests)
    if match is None or not is_whole or type(size) is not int or size < 1:
        raise InputError(zoo.place(INDEX), f"tells no version, size, sha256 and files of {key}", _OTHER_ZOO)
    return Entry(match["name"], match["version"], found["sha256"], size, found["files"])
