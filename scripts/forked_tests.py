"""Tests run in forks of one process, which has imported torch, MONAI and nnU-Net once, and used none of them.

A test is ``tests/folder/test_file.py::test_name``, or a whole file, where it could not be read.
"""

import compileall
import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

PACKAGE = "tanq_monai"
GRACE = 300  # seconds of a run over what its tests take at most
IMPORTED = (
    *(
        "torch",
        "monai.bundle",
        "monai.engines",
        "monai.handlers",
        "monai.inferers",
        "monai.transforms",
        "ignite.engine",
    ),
    *("nnunetv2.training.nnUNetTrainer.nnUNetTrainer", "nnunetv2.experiment_planning.plan_and_preprocess_api"),
    *("nibabel", "numba", "onnxruntime", "onnxscript", "pandas", "pydicom", "scipy.stats", "torch.utils.tensorboard"),
)


class Copy:
    """A copy of what git knows of a tree, in which modules are changed and tests are run."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.folder, self.package = folder / "copy", folder / "copy" / PACKAGE
        self.log, self.temporary, self.done = folder / "log.txt", folder / "temporary", folder / "done.txt"
        command = ["git", "-C", str(tree), "ls-files", "-z"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        compiled = [path.relative_to(tree) for path in (tree / PACKAGE).rglob("__pycache__/*.nb?")]  # by numba
        for name in (*filter(None, listed.split("\0")), *compiled):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, self.folder / name)
        # By hash: a module that is changed and changed back within a second is not taken for the other one.
        compileall.compile_dir(self.folder, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        real_data = tree.resolve().parent / "shared" / "data"
        if real_data.is_dir():
            os.environ.setdefault("TANQ_REAL_DATA", str(real_data))


class Suite:
    """The tests of a run of the whole suite and their seconds, those that were skipped left out."""

    def __init__(self, junit: Path, copy: Copy) -> None:
        self.folder = copy.folder
        self.seconds: dict[str, float] = {}
        for case in ET.parse(junit).getroot().iter("testcase"):
            found = {part.tag for part in case}
            if found & {"failure", "error"}:
                raise SystemExit(
                    f"error: {junit}: {case.get('classname')}::{case.get('name')} fails without any mutant"
                )
            if "skipped" not in found:
                test = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
                self.seconds[test] = float(case.get("time", 0))

    def tests_of(self, package: str, longest: float, module: str = "") -> list[str]:
        """Tests of at most ``longest`` seconds in ``tests/{package}`` and in files about ``module``, those first."""
        first: dict[str, float] = {}  # of a file: where it takes long, so would the fixtures that all its tests share
        for test, seconds in self.seconds.items():
            first.setdefault(test.split("::")[0], seconds)
        short = [test for test, s in self.seconds.items() if max(s, first[test.split("::")[0]]) <= longest]
        about = {file: self._is_about(file, module) for file in {test.split("::")[0] for test in short}}
        return self._by_file([t for t in short if t.startswith(f"tests/{package}/") or about[t.split("::")[0]]], about)

    def all_tests(self) -> list[str]:
        """The files whose tests take least come first."""
        return self._by_file(list(self.seconds), {})

    def _by_file(self, tests: list[str], about: Mapping[str, bool]) -> list[str]:
        files: dict[str, list[str]] = {}
        for test in tests:
            files.setdefault(test.split("::")[0], []).append(test)
        total = {file: sum(self.seconds[test] for test in of_file) for file, of_file in files.items()}
        order = sorted(files, key=lambda file: (not about.get(file, False), total[file]))
        return [test for file in order for test in files[file]]

    def _is_about(self, file: str, module: str) -> bool:
        """Whether a file imports a module by its name, or is called like it."""
        if not module:
            return False
        dotted = f"{PACKAGE}/{module}".removesuffix(".py").replace("/", ".")
        return Path(module).stem in Path(file).stem or dotted in (self.folder / file).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Outcome:
    """Of a run that ends with the first failure.

    Attributes:
        failed: the test, or a file that could not be read; None where all have passed.
        timed_out: it took too long.
        passed: how many passed before.
        seconds: of the run.
    """

    failed: str | None
    timed_out: bool
    passed: int
    seconds: float


def run_tests(copy: Copy, tests: Sequence[str], limit: int = 600) -> Outcome:
    """Run ``tests`` in this order in a fork; each may take ``limit`` seconds."""
    for name in IMPORTED:
        importlib.import_module(name)
    shutil.rmtree(copy.temporary, ignore_errors=True)
    copy.done.write_text("")
    start = time.monotonic()
    pid = os.fork()
    if not pid:
        _run_and_exit(copy, tests, limit)
    overdue = not _has_ended(pid, start + GRACE + limit * len(tests))
    failed, timed_out, passed = _read(copy.done)
    if overdue:
        failed = failed or tests[0]
    return Outcome(failed, timed_out or overdue, passed, time.monotonic() - start)


def _has_ended(pid: int, deadline: float) -> bool:
    """Whether a fork ends by itself in time; with all that it has started, it has ended in any case."""
    ended = False
    while not ended and time.monotonic() < deadline:
        time.sleep(0.05)
        ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        os.waitpid(pid, 0)
    return ended


def _read(done: Path) -> tuple[str | None, bool, int]:
    """The test that failed, or that was running when the process died; whether it took too long; how many passed."""
    running, passed = None, 0
    for line in done.read_text(encoding="utf-8").splitlines():
        what, test = line.split(" ", 1)
        if what in ("failed", "late"):
            return test, what == "late", passed
        if what == "exit" and test != "0":
            raise RuntimeError(f"pytest ended with exit code {test}")
        running = test if what == "begun" else None
        passed += what == "ended"
    return running, False, passed


def _run_and_exit(copy: Copy, tests: Sequence[str], limit: int) -> None:
    os.setsid()
    os.chdir(copy.folder)
    log = os.open(copy.log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.path.insert(0, str(copy.folder))
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONPATH": str(copy.folder), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ["-x", "-q", "-o", f"timeout={limit}", "-p", "no:cacheprovider", f"--basetemp={copy.temporary}"]
    options += ["-n", "0"] if importlib.util.find_spec("xdist") else []
    files = list(dict.fromkeys(test.split("::")[0] for test in tests))
    code, chosen = -1, _Chosen(tests, copy.done)
    try:
        code = pytest.main([*options, *files], plugins=[chosen])
    finally:
        chosen.write("exit", str(int(code)))
        os._exit(0)


class _Chosen:
    """A plugin that runs just these tests, in this order, and writes down how each went."""

    def __init__(self, tests: Sequence[str], done: Path) -> None:
        self.order = {test: number for number, test in enumerate(tests)}
        self.done = done

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self.order]
        items[:] = sorted(chosen, key=lambda item: self.order[item.nodeid])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write("failed", report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.write("begun", nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.write("late" if "Timeout (>" in report.longreprtext else "failed", report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.write("ended", nodeid)

    def write(self, what: str, test: str) -> None:
        with self.done.open("a", encoding="utf-8") as stream:
            stream.write(f"{what} {test}\n")
