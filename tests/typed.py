"""Programs as a user types them, run in this process: several seconds of imports cheaper than one of their own.

What only a process has, such as signals and pipes, is tested in processes: see ``processes.py``.
"""

import io
import runpy
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from absl import logging as absl_logging
from bundle_workflow import BUNDLES

from tanq_monai import cli, steps

# MONAI's runs set logging up anew. At that absl, which came with TensorBoard, closes the stream that it has, but not
# Python's own: here it would be pytest's.
absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__
FILES = {"meta_file": "configs/metadata.json", "logging_file": "configs/logging.conf"}


class Done(NamedTuple):
    """What a process leaves when it has ended."""

    returncode: int
    stdout: str
    stderr: str


def ended(program: Callable[[], object]) -> Done:
    """What a Python process that runs nothing but ``program`` prints, and its exit code."""
    hook, term, code = sys.excepthook, signal.getsignal(signal.SIGTERM), None
    sys.excepthook = sys.__excepthook__
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user sees them, and goes on
        try:
            program()
        except SystemExit as end:
            code = end.code
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            code = 1
        finally:
            sys.excepthook = hook
            signal.signal(signal.SIGTERM, term)
    if isinstance(code, str):
        err.write(f"{code}\n")
        code = 1
    return Done(code or 0, out.getvalue(), err.getvalue())


def options(choices: dict[str, object]) -> list[str]:
    """``--name value`` of every choice."""
    return [word for name, value in choices.items() for word in (f"--{name}", str(value))]


def run_command(*words: object) -> Done:
    """``python -m tanq_monai {words}``."""
    return ended(lambda: cli.main([str(word) for word in words]))


def run_module(module: str, words: Iterable[object], folder: Path) -> Done:
    """``python -m {module} {words}`` in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [_program(module), *map(str, words)])
        return ended(lambda: runpy.run_module(module, run_name="__main__"))


def _program(module: str) -> str:
    """The file that ``python -m`` runs."""
    spec = find_spec(module)
    assert spec is not None
    return str(Path(spec.origin or "").with_name("__main__.py") if spec.submodule_search_locations else spec.origin)


def run_bundle(bundle: str, *configs: str, **choices: object) -> Done:
    """``python -m monai.bundle run`` of a config and overlays in the bundle's folder, with its usual files."""
    files = [f"configs/{config}.yaml" for config in configs]
    words = options({"config_file": files if len(files) > 1 else files[0]} | FILES | choices)
    return run_module("monai.bundle", ["run", *words], BUNDLES / bundle)


def mistakes(done: Done) -> list[str]:
    """The ``error: `` lines of a program that ended by a user's mistake, and not by a traceback."""
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def run_script(line: str, folder: Path) -> Done:
    """A command of an installed package, ``VARIABLE=value`` before it, typed in ``folder``."""
    words = shlex.split(line)
    with pytest.MonkeyPatch.context() as patch:
        while "=" in words[0]:
            patch.setenv(*words.pop(0).split("=", 1))
        patch.chdir(folder)
        patch.setattr(sys, "argv", words)
        (script,) = entry_points(group="console_scripts", name=words[0])
        return ended(lambda: sys.exit(script.load()()))


class StepsHere:
    """The runs of bundles that are steps of a longer work, in this process instead of one each.

    Attributes:
        begun: names of their configs in order.
        interrupt_at: one of them, at which somebody presses Ctrl-C.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.interrupt_at: str | None = None
        patch.setattr(steps, "execute", self._execute)

    def _execute(self, step: steps.Step, _: object) -> int:
        dash_m, module, *words = step.arguments
        assert dash_m == "-m"
        assert step.folder is not None
        self.begun.append(Path(words[words.index("--config_file") + 1]).stem)
        if self.begun[-1] == self.interrupt_at:
            raise KeyboardInterrupt
        done = run_module(module, words, step.folder)
        sys.stderr.write(done.stderr)
        return done.returncode
