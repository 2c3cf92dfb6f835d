"""`requirements/dev.lock` locks what `pyproject.toml` asks for, and says of no package where this machine got it."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements" / "dev.lock").read_text()


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def wanted(extra: str = "") -> list[Requirement]:
    """Requirements of the package, with those of an extra and of the extras that it is made of."""
    listed = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    found = [Requirement(text) for text in listed]
    own = [one for one in found if name_of(one.name) == PROJECT["name"]]
    of_extras = [other for one in own for part in sorted(one.extras) for other in wanted(part)]
    return [one for one in found if one not in own] + of_extras


def locked() -> dict[str, list[str]]:
    """Versions by package: more than one where Pythons or systems differ."""
    versions = defaultdict(list)
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, flags=re.MULTILINE):
        versions[name_of(name)].append(version)
    return versions


@pytest.mark.parametrize("requirement", [*wanted(), *wanted("test")], ids=str)
def test_what_the_project_asks_for_is_locked_in_a_version_that_it_takes(requirement):
    versions = locked()[name_of(requirement.name)]
    assert versions, "run `make lock`"
    assert [version for version in versions if not requirement.specifier.contains(version, prereleases=True)] == []


def test_every_package_has_its_hashes():
    packages = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(packages) > 100
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_the_lock_names_no_address_and_no_path():
    lines = [line for line in LOCK.splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if re.search(r"://|@|--index|--find-links|--extra|file:|\s/", line)] == []
    assert "://" not in LOCK
