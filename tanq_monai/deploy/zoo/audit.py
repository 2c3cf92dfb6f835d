"""Everything that a bundle would run, for somebody to read, and what speaks against running it."""

import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import tanq_monai
from tanq_monai.deploy.zoo.calls import statements
from tanq_monai.deploy.zoo.contents import LARGE_FILES, PLANS, refusals
from tanq_monai.deploy.zoo.record import RECORD
from tanq_monai.deploy.zoo.release import digest, digests, foreign, told
from tanq_monai.deploy.zoo.requirements import METADATA, read_metadata, required_packages
from tanq_monai.deploy.zoo.unpack import told_as_unusable, unpack
from tanq_monai.errors import InputError, printable

_RUNS = "runs"  # where runs of a bundle write, unless told otherwise
_COMPILED = re.compile(r"\b__pycache__/.*")  # told as one, by folder


def audit_bundle(bundle: str | Path) -> tuple[list[str], list[InputError]]:
    """What the bundle in a folder or a zip file would run, one line each, and what speaks against it.

    Raises:
        InputError: when there is no bundle, or its zip cannot be unpacked safely.
    """
    path = Path(bundle)
    with told_as_unusable(path):
        if path.is_dir():
            return _audit(path, path, "read it, or remove it, before you run the bundle")
        if not zipfile.is_zipfile(path):
            raise InputError(path, "is neither a folder nor a whole zip file", "give a bundle")
        remedy = f"if you have read it and trust it, fetch the bundle with --trust {digest(path.read_bytes())}"
        with tempfile.TemporaryDirectory() as folder:
            return _audit(path, unpack(path, Path(folder)), remedy)


def _audit(bundle: Path, folder: Path, remedy: str) -> tuple[list[str], list[InputError]]:
    if not (folder / METADATA).is_file():
        raise InputError(bundle, f"is no bundle: it has no {METADATA}", "give the folder or zip of a bundle")
    files = {_COMPILED.sub("__pycache__", name): sha256 for name, sha256 in digests(folder, skip=_RUNS).items()}
    files.pop(RECORD, None)
    strange = foreign(files)
    lines = [f"{name}: {line}" for name in files for line in _lines(folder, name, name in strange)]
    if (folder / _RUNS).is_dir():
        lines.append(f"{_RUNS}: not looked at; remove it unless runs of yours wrote it")
    links = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink()}
    refused = refusals(folder) | dict.fromkeys(sorted(links), "is a link, which leads elsewhere")
    problems = [InputError(bundle, f"{name} {reason}", "do not use it") for name, reason in refused.items()]
    problems += [InputError(bundle, told(strange), remedy)] if strange else []
    return [printable(line) for line in lines], problems


def _lines(folder: Path, name: str, is_strange: bool) -> Iterator[str]:
    if is_strange:
        yield f"is not of the installed tanq_monai {tanq_monai.__version__}"
    if name == METADATA:
        packages = required_packages(read_metadata(folder))
        yield from (f"requires {package} {version}" for package, version in packages.items())
    elif name in (PLANS, *LARGE_FILES) or (name.startswith("configs/") and name.endswith((".yaml", ".yml", ".json"))):
        for line, said in statements(folder / name):
            yield f"{line}: {said}"
