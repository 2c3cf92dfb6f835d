"""Does what is installed here suffice for a bundle?"""

import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tanq_monai.deploy.zoo.index import as_numbers
from tanq_monai.errors import InputError

_STATED = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}


def read_metadata(folder: Path) -> dict[str, Any]:
    """``configs/metadata.json`` of the bundle in ``folder``.

    Raises:
        InputError: when it is no JSON object.
    """
    path = folder / "configs" / "metadata.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, "cannot be read", "give a whole bundle") from error
    if not isinstance(content, dict):
        raise InputError(path, "is no JSON object", "give a whole bundle")
    return content


def required_packages(content: Mapping[str, Any]) -> dict[str, str]:
    """Every package that the metadata of a bundle ask for, with the oldest version that will do."""
    stated = {package: str(content[key]) for package, key in _STATED.items() if key in content}
    return stated | {package: str(version) for package, version in content["required_packages_version"].items()}


def check_requirements(name: str, content: Mapping[str, Any]) -> None:
    """Raise :class:`InputError` unless all that a bundle asks for is installed, and new enough."""
    missing = list(_missing(content))
    if missing:
        words = " ".join(f"'{package}>={version}'" for package, version, _ in missing)
        told = ", ".join(f"{package} {version} (here is {here})" for package, version, here in missing)
        raise InputError(name, f"needs {told}", f"pip install {words}")


def _missing(content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for package, version in required_packages(content).items():
        try:
            here = metadata.version(package)
        except metadata.PackageNotFoundError:
            here = "none"
        if as_numbers(here) < as_numbers(version):
            yield package, version, here
