"""Everything that a bundle would execute, and what of it is refused."""

import tempfile
import zipfile
from pathlib import Path

from tanq_monai.deploy.zoo.configs import ENDINGS, config_findings
from tanq_monai.deploy.zoo.contents import (
    CODE,
    LOGGING,
    PACKAGE,
    TORCHSCRIPT,
    WEIGHTS,
    logging_findings,
    name_findings,
    package_findings,
    torchscript_findings,
    weights_findings,
)
from tanq_monai.deploy.zoo.findings import Finding
from tanq_monai.deploy.zoo.record import RECORD
from tanq_monai.deploy.zoo.unpack import told_as_unusable, unpack
from tanq_monai.errors import InputError

_RUNS = "runs"  # where runs of a bundle write, unless told otherwise
_COMPILED, _COMPILED_ENDINGS = "__pycache__", (".pyc", ".nbi", ".nbc")  # of Python and numba


def audit_bundle(bundle: str | Path) -> list[Finding]:
    """What the bundle in a folder or a zip file would execute.

    Raises:
        InputError: when there is no bundle, or its zip cannot be unpacked safely.
    """
    path = Path(bundle)
    with told_as_unusable(path):
        if path.is_dir():
            return audit_folder(path)
        if not zipfile.is_zipfile(path):
            raise InputError(path, "is neither a folder nor a whole zip file", "give a bundle")
        with tempfile.TemporaryDirectory() as folder:
            return audit_folder(unpack(path, Path(folder)), published=True)


def audit_folder(folder: Path, published: bool = False) -> list[Finding]:
    """As :func:`audit_bundle`.

    Args:
        folder: of the bundle.
        published: it lies there as it was in its zip, without what fetch and runs of a bundle add to its folder.

    Raises:
        InputError: when it is no bundle.
    """
    if not (folder / "configs" / "metadata.json").is_file():
        raise InputError(folder, "is no bundle: it has no configs/metadata.json", "give the folder or zip of a bundle")
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    findings = []
    if not published:
        findings += _pass_over_runs(names)
        if _is_plain(folder / RECORD):
            del names[RECORD]
    findings += _compiled_findings(names)
    findings += [Finding(name, "", "a link", "leads elsewhere") for name, path in names.items() if path.is_symlink()]
    return findings + _file_findings(folder, [name for name, path in names.items() if _is_plain(path)])


def refused(findings: list[Finding], trust_code: bool = False) -> list[Finding]:
    """Those that are refused; with ``trust_code`` a package that is not the installed one is none of them."""
    return [finding for finding in findings if finding.refused and not (trust_code and finding.what == CODE)]


def _pass_over_runs(names: dict[str, Path]) -> list[Finding]:
    """Take what runs of the bundle wrote out of ``names``, and say so. No config may lead MONAI to configs in there."""
    runs = names.get(_RUNS)
    if runs is None or runs.is_symlink() or not runs.is_dir():
        return []
    for name in [name for name in names if name.split("/")[0] == _RUNS]:
        del names[name]
    return [Finding(_RUNS, "", "not looked at; remove it unless runs of yours wrote it")]


def _compiled_findings(names: dict[str, Path]) -> list[Finding]:
    """Take compiled code out of ``names``: Python runs it in place of the source beside it, whatever it was made of."""
    found = {name: place for name, path in names.items() if (place := _compiled_at(name)) and not path.is_symlink()}
    for name in found:
        del names[name]
    places = sorted(set(found.values()))
    return [Finding(place, "", "compiled code", "is compiled, which nobody can read", "remove it") for place in places]


def _compiled_at(name: str) -> str | None:
    """The folder of compiled code that a file is in or that it is, or the file, if it is such code itself."""
    parts = name.split("/")
    if _COMPILED in parts:
        return "/".join(parts[: parts.index(_COMPILED) + 1])
    return name if name.lower().endswith(_COMPILED_ENDINGS) else None


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _file_findings(folder: Path, files: list[str]) -> list[Finding]:
    configs = [file for file in files if file.lower().endswith(ENDINGS) and not file.startswith(f"{PACKAGE}/")]
    findings = name_findings(files) + config_findings(folder, configs)
    for file, look in (
        (LOGGING, logging_findings),
        (WEIGHTS, weights_findings),
        (TORCHSCRIPT, torchscript_findings),
    ):
        if file in files:
            findings += look(folder / file)
    return findings + package_findings(folder, files)
