"""Fetch a bundle from a zoo: checked first, then installed whole, beside the versions that are there."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tanq_monai
from tanq_monai.deploy.zoo.findings import Finding
from tanq_monai.deploy.zoo.index import Entry, archive_of, find_entry
from tanq_monai.deploy.zoo.record import check_record, write_record
from tanq_monai.deploy.zoo.requirements import check_requirements, read_metadata
from tanq_monai.deploy.zoo.source import TIMEOUT, Zoo
from tanq_monai.deploy.zoo.unpack import told_as_unusable, unpack
from tanq_monai.errors import InputError

PACKAGE = "tanq_monai"


def fetch_bundle(
    name: str,
    zoo: str,
    output_dir: str | Path,
    version: str | None = None,
    trust_code: bool = False,
    timeout: float = TIMEOUT,
) -> Path:
    """Install a bundle as ``output_dir/{name}_v{version}`` and return that folder.

    What is installed already is compared with what was fetched then, and left as it is; so it is after any error.

    Args:
        name: of the bundle.
        zoo: folder or http address of the zoo.
        output_dir: gets the folder, beside those of other versions.
        version: default the newest.
        trust_code: also install a bundle whose copy of the package is not the installed one.
        timeout: of the server, in seconds.

    Raises:
        InputError: when anything about it is not as it should be.
    """
    with told_as_unusable(zoo):
        return _installed(find_entry(Zoo(zoo, timeout), name, version), Zoo(zoo, timeout), Path(output_dir), trust_code)


def _installed(entry: Entry, zoo: Zoo, output_dir: Path, trust_code: bool) -> Path:
    folder = output_dir / entry.stem
    if folder.exists():
        check_record(folder, entry)
        return folder
    with _temporary_folder(output_dir, entry.stem) as temporary:
        archive = temporary / archive_of(entry)
        zoo.copy(archive.name, archive, entry.size, entry.sha256)
        unpacked = unpack(archive, temporary / "unpacked")
        _check(unpacked, entry, trust_code)
        write_record(unpacked, entry)
        try:
            os.rename(unpacked, folder)
        except OSError as error:
            raise InputError(folder, f"cannot be made ({error.strerror})", "see who else writes there") from error
    return folder


@contextlib.contextmanager
def _temporary_folder(output_dir: Path, stem: str) -> Iterator[Path]:
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{stem}.fetching-", dir=output_dir))
    except OSError as error:
        raise InputError(output_dir, f"cannot be written to ({error.strerror})", "choose another folder") from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(unpacked: Path, entry: Entry, trust_code: bool) -> None:
    """Raise unless the unpacked bundle is the one that was asked for, runs here, and executes nothing unknown."""
    from tanq_monai.deploy.zoo.audit import audit_folder, refused  # takes seconds: MONAI and torch

    if unpacked.name != entry.name:
        raise InputError(entry.stem, f"holds the bundle {unpacked.name}", "tell who published it")
    content = read_metadata(unpacked)
    if content.get("version") != entry.version:
        raise InputError(entry.stem, f"says of itself to be version {content.get('version')}", "tell who published it")
    found = refused(audit_folder(unpacked, published=True), trust_code)
    _check_code(unpacked, entry, found)
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        problem = f"{found[0].refused} ({found[0].where}){more}"
        raise InputError(entry.stem, problem, "do not run it; `python -m tanq_monai audit` on its zip lists all")
    check_requirements(entry.stem, content)


def _check_code(unpacked: Path, entry: Entry, found: list[Finding]) -> None:
    """Raise if nothing but the copy of the package is refused: then another version of it may be all there is to it."""
    from tanq_monai.deploy.zoo.contents import CODE

    if not found or any(finding.what != CODE for finding in found):
        return
    init = unpacked / PACKAGE / "__init__.py"
    match = re.search(r'^__version__ = "([\w.+]+)"', init.read_text() if init.is_file() else "", re.MULTILINE)
    there = match[1] if match else "of no version"
    problem = f"carries tanq_monai {there}, which is not the installed {tanq_monai.__version__}: {found[0].file}"
    if len(found) > 1:
        problem += f" and {len(found) - 1} files more differ"
    raise InputError(entry.stem, problem, "install that version first, or give --trust-code if you trust its code")
