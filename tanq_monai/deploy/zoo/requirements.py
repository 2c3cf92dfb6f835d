"""Does what is installed here suffice for a bundle?"""

import json
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tanq_monai.deploy.zoo.findings import RefusedError
from tanq_monai.deploy.zoo.index import as_numbers
from tanq_monai.errors import InputError

# What our bundles require, and so all that others may: it ends in a command that a user is told to type.
PACKAGES = frozenset(
    {
        *("fire", "nibabel", "nnunetv2", "pandas", "pydicom", "pytorch-ignite", "pyyaml", "scipy", "tensorboard"),
        "tqdm",
    }
)
_STATED = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
_REQUIRED = "required_packages_version"
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})*")


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
    return stated | {package: str(version) for package, version in content[_REQUIRED].items()}


def check_statement(keys: tuple[Any, ...], value: Any) -> None:
    """Raise :class:`RefusedError` for a requirement that is none of a known package in a version of numbers.

    Args:
        keys: that lead to it in the metadata; others than those of requirements are none of our business.
        value: what is stated there.
    """
    is_package = keys[:1] == (_REQUIRED,) and len(keys) > 1
    if is_package and keys[1] not in PACKAGES:
        raise RefusedError("is a package that no bundle of ours requires")
    is_version = is_package or keys in [(key,) for key in _STATED.values()]
    if is_version and not (isinstance(value, str) and _VERSION.fullmatch(value)):
        raise RefusedError("is no version, such as 1.2.0")


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
