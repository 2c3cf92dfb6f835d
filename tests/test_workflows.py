"""The hosted workflows fit GitHub's schema, and run targets of the Makefile: all that `.ci/run` runs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w./-]+):(?!=)", MAKEFILE, flags=re.MULTILINE))


def jobs(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text())["jobs"].values())


def commands(job: dict[str, Any]) -> Iterator[str]:
    """What the job runs, once for every value of its matrix."""
    for line in (step["run"] for step in job["steps"] if "run" in step):
        named = re.findall(r"\$\{\{ matrix\.(\w+) \}\}", line)
        values = job["strategy"]["matrix"][named[0]] if named else [""]
        yield from (re.sub(r"\$\{\{.*?\}\}", value, line) for value in values)


RUN = [command for path in WORKFLOWS for job in jobs(path) for command in commands(job)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_by_github_s_schema(path):
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", "vendor.github-workflows", str(path)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_ends_by_itself(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in jobs(path))


def test_workflows_run_targets_of_the_makefile_and_nothing_else():
    assert len(RUN) == 12  # check, eight suites, demo, docs, dist
    assert [command for command in RUN if not re.fullmatch(r"make [\w-]+", command)] == []
    assert {command.removeprefix("make ") for command in RUN} <= TARGETS


def test_workflows_run_all_that_has_to_pass_here():
    here = re.findall(r"^make --jobs 2 --output-sync (.+)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    parts_of_test = {"heavy-tests", "other-tests", "linters"}
    assert {"docs", "test-web"} | parts_of_test <= {*here[0].split()}
    assert ({*here[0].split()} - parts_of_test) | {"test", "demo"} <= {command.removeprefix("make ") for command in RUN}


def test_every_python_of_the_package_is_checked():
    declared = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    first, behind = map(int, declared.groups())
    checking = [job for path in WORKFLOWS for job in jobs(path) if "make check" in commands(job)]
    pythons = [f"3.{minor}" for minor in range(first, behind)]
    assert [job["strategy"]["matrix"]["python"] for job in checking] == [pythons]
