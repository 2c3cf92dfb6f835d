"""Does what is installed here suffice for a bundle?"""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tanq_monai.choices.documents import parse_json
from tanq_monai.deploy.zoo.index import as_numbers
from tanq_monai.errors import InputError

METADATA = "configs/metadata.json"
_STATED = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6})*", re.ASCII)


def read_metadata(folder: Path) -> dict[str, Any]:
    """``configs/metadata.json`` of the bundle in ``folder``.

    Raises:
        InputError: when it is no JSON object.
    """
    try:
        content = parse_json((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(folder / METADATA, "cannot be read", "give a whole bundle") from error
    if not isinstance(content, dict):
        raise InputError(folder / METADATA, "is no JSON object", "give a whole bundle")
    return content


def required_packages(content: Mapping[str, Any]) -> dict[str, str]:
    """Every package that the metadata of a bundle ask for, with the oldest version that will do."""
    stated = {package: str(content[key]) for package, key in _STATED.items() if key in content}
    return stated | {package: str(version) for package, version in content["required_packages_version"].items()}


def check_requirements(name: str, content: Mapping[str, Any]) -> None:
    """Raise :class:`InputError` unless all that a bundle asks for is installed, and new enough.

    A package that is not here is none of those that the release brings: nobody is told to install it.
    """
    outdated = {}
    for package, version in required_packages(content).items():
        try:
            here = metadata.version(package)
        except metadata.PackageNotFoundError:
            here = ""
        if not here or not _VERSION.fullmatch(version):
            problem = f"asks for {package} {version}, which no bundle of the installed tanq_monai does"
            raise InputError(name, problem, "ask who published it")
        if as_numbers(here) < as_numbers(version):
            outdated[f"'{package}>={version}'"] = f"{package} {version} (here is {here})"
    if outdated:
        raise InputError(name, f"needs {', '.join(outdated.values())}", f"pip install {' '.join(outdated)}")
