"""Fetch a bundle from a zoo: checked first, then installed whole, beside the versions that are there."""

import os
import sys
from pathlib import Path

from tanq_monai.deploy.zoo.index import Entry, find_entry
from tanq_monai.deploy.zoo.record import check_record, write_record
from tanq_monai.deploy.zoo.release import digests, foreign, told
from tanq_monai.deploy.zoo.requirements import check_requirements, read_metadata
from tanq_monai.deploy.zoo.source import TIMEOUT, Zoo
from tanq_monai.deploy.zoo.unpack import told_as_unusable, unpack
from tanq_monai.errors import InputError
from tanq_monai.files import aside, check_output_dir

TORCHSCRIPT = "models/model.ts"  # a program, which no bundle needs: its weights lie beside it
_TELL = "tell who published it"


def fetch_bundle(
    name: str,
    zoo: str,
    output_dir: str | Path,
    version: str | None = None,
    trust: str | None = None,
    timeout: float = TIMEOUT,
) -> Path:
    """Install a bundle as ``output_dir/{name}_v{version}`` and return that folder.

    What is installed already is compared with what was fetched then, and left as it is; so it is after any error.

    Args:
        name: of the bundle.
        zoo: folder or http address of the zoo.
        output_dir: gets the folder, beside those of other versions.
        version: default the newest.
        trust: SHA-256 of the zip that the user has read: no other is taken, and that one with configs, code and
            TorchScript that are not of the installed release.
        timeout: of the server, in seconds.

    Raises:
        InputError: when anything about it is not as it should be.
    """
    source = Zoo(zoo, timeout)
    with told_as_unusable(zoo):
        entry = find_entry(source, name, version)
        strange = _untrusted(entry, source, trust)
        folder = Path(output_dir) / entry.stem
        if folder.exists():
            check_record(folder, entry, entry.files.keys() - set(strange))
            return folder
        check_output_dir(output_dir)
        with aside(folder) as temporary:
            archive = temporary / entry.archive
            source.copy(archive.name, archive, entry.size, entry.sha256)
            unpacked = unpack(archive, temporary / "unpacked")
            _check(unpacked, entry)
            for left_out in strange:
                (unpacked / left_out).unlink()
                sys.stderr.write(f"{entry.stem}: {left_out}, a program of its own, is left out; --trust brings it\n")
            write_record(unpacked, entry)
            os.rename(unpacked, folder)
    return folder


def _untrusted(entry: Entry, zoo: Zoo, trust: str | None) -> list[str]:
    """What of a bundle is not to be installed; raise where it is of no use without."""
    place = zoo.place(entry.archive)
    if trust is not None and trust != entry.sha256:
        raise InputError(f"--trust {trust}", f"is not the sha256 of {place}", "audit that file before you trust it")
    strange = [] if trust is not None else foreign(entry.files)
    needed = [name for name in strange if name != TORCHSCRIPT]
    if needed:
        remedy = f"install the one it was made with, or read what `python -m tanq_monai audit` prints of {place}"
        raise InputError(entry.stem, told(needed), f"{remedy} and give the --trust that it ends with")
    return strange


def _check(unpacked: Path, entry: Entry) -> None:
    """Raise unless the unpacked bundle is what the zoo's list tells, its data are data, and it runs here."""
    from tanq_monai.deploy.zoo.contents import refusals  # takes seconds: torch

    found = digests(unpacked)
    different = sorted(name for name, _ in found.items() ^ entry.files.items())
    if unpacked.name != entry.name or different:
        what = different[0] if different else f"the bundle {unpacked.name}"
        raise InputError(entry.stem, f"holds {what}, which the zoo's list does not tell", _TELL)
    for name, reason in refusals(unpacked).items():
        raise InputError(entry.stem, f"{name} {reason}", _TELL)
    content = read_metadata(unpacked)
    if content.get("version") != entry.version:
        raise InputError(entry.stem, f"says of itself to be version {content.get('version')}", _TELL)
    check_requirements(entry.stem, content)
