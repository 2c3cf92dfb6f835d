"""Which files of a bundle run something, and which of those are, byte for byte, of the installed release.

``release.json`` holds the SHA-256 of the release's configs, by bundle and name; `scripts/zoo_release.py` writes it. The
bundle's copy of the package is compared with the package that is installed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import tanq_monai

FILE = Path(__file__).with_name("release.json")
INSTALLED = Path(tanq_monai.__file__).parent
_DATA = re.compile(
    r"LICENSE|README\.md|\.gitattributes|large_files\.(ya?ml|json)|configs/metadata\.json|"
    r"models/(model\.(pt|safetensors|onnx|json)|(discriminator|projector)\.pt|(plans|dataset|source_statistics)\.json)|docs/[\w./-]+\.(md|png|csv)",
    re.ASCII,
)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digests(folder: Path, skip: str | None = None) -> dict[str, str]:
    """SHA-256 of every file below ``folder``, by its name there; links are no files, nor is what is in ``skip``."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    looked_at = {name: path for name, path in files.items() if name.parts[0] != skip}
    plain = {name: path for name, path in looked_at.items() if path.is_file() and not path.is_symlink()}
    return {name.as_posix(): digest(path.read_bytes()) for name, path in plain.items()}


def is_data(name: str) -> bool:
    """Whether a file of that name is read and no more. All others are configs or code, or may become either."""
    return _DATA.fullmatch(name) is not None


def foreign(files: Mapping[str, str]) -> list[str]:
    """Names of what may run something and is not of the installed release.

    Args:
        files: SHA-256 by name inside the bundle.
    """
    configs = json.loads(FILE.read_text(encoding="utf-8")).values()
    known = {(name, sha256) for bundle in configs for name, sha256 in bundle.items()}
    return [
        name
        for name, sha256 in files.items()
        if not is_data(name) and (name, sha256) not in known and sha256 != _installed(name)
    ]


def told(names: list[str]) -> str:
    """What is said of a bundle with foreign files."""
    first = f"{names[0]}, which is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more, which are"
    return f"brings {first} not of the installed tanq_monai {tanq_monai.__version__}"


def _installed(name: str) -> str | None:
    """SHA-256 of a file of the package, as it is installed; None where there is no such file."""
    package, _, file = name.partition("/")
    path = INSTALLED / file
    return digest(path.read_bytes()) if package == INSTALLED.name and path.is_file() else None
