"""Everything that a bundle would execute, and what of it is refused."""

import tempfile
import zipfile
from pathlib import Path

from tanq_monai.deploy.zoo.configs import ENDINGS, config_findings
from tanq_monai.deploy.zoo.contents import (
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

_MADE_HERE = frozenset({"runs", "__pycache__"})  # by runs of the bundle


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
            return audit_folder(unpack(path, Path(folder)), ignored=frozenset())


def audit_folder(folder: Path, ignored: frozenset[str] = _MADE_HERE) -> list[Finding]:
    """As :func:`audit_bundle`.

    Args:
        folder: of the bundle.
        ignored: names of folders that are not looked at.

    Raises:
        InputError: when it is no bundle.
    """
    if not (folder / "configs" / "metadata.json").is_file():
        raise InputError(folder, "is no bundle: it has no configs/metadata.json", "give the folder or zip of a bundle")
    paths = [path for path in sorted(folder.rglob("*")) if not ignored & set(path.relative_to(folder).parts)]
    links = [path.relative_to(folder).as_posix() for path in paths if path.is_symlink()]
    files = [path.relative_to(folder).as_posix() for path in paths if path.is_file() and not path.is_symlink()]
    files = [file for file in files if file != RECORD]
    configs = [file for file in files if file.lower().endswith(ENDINGS) and not file.startswith(f"{PACKAGE}/")]
    findings = [Finding(link, "", "a link", "leads elsewhere") for link in links]
    findings += name_findings(files) + config_findings(folder, configs)
    for file, look in (
        (LOGGING, logging_findings),
        (WEIGHTS, weights_findings),
        (TORCHSCRIPT, torchscript_findings),
    ):
        if file in files:
            findings += look(folder / file)
    return findings + package_findings(folder, files)


def refused(findings: list[Finding], trust_code: bool = False) -> list[Finding]:
    """Those that are refused; with ``trust_code`` a package that is not the installed one is none of them."""
    code = f"{PACKAGE}/"
    return [finding for finding in findings if finding.refused and not (trust_code and finding.file.startswith(code))]
