"""Steps of a longer work: commands that anyone can repeat by hand, each run once and remembered when it is done."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fire.parser import DefaultParseValue
from tqdm import tqdm

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

import tanq_monai
from tanq_monai.choices.files import check_choices
from tanq_monai.errors import InputError
from tanq_monai.files import replacing

# Threads that wait asleep: spinning ones slow down many times as soon as another program wants a core as well.
# MONAI warns that a config can execute anything; ours are our own.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONWARNINGS": "ignore::UserWarning:monai.bundle.scripts",
} | os.environ
BUNDLES = Path(tanq_monai.__file__).resolve().parents[1] / "bundles"
BUNDLE_NAMES = ("tanq_translation", "vs_cochlea_seg")  # in a clone, fetched ones may lie beside them


RUN_OPTIONS = frozenset(  # of `monai.bundle run` itself: given as a choice, one would run another config or workflow
    {
        *("args_file", "config_file", "logging_file", "meta_file", "override", "properties_path", "tracking"),
        *("final_id", "init_id", "run_id", "runner_id", "workflow_name", "workflow_type"),
    }
)


@dataclass(frozen=True)
class Step:
    """A command and the folder it runs in.

    Attributes:
        name: of the file that remembers it.
        arguments: of Python.
        folder: the working directory.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path | None = None

    @property
    def command(self) -> str:
        """As it would be typed."""
        return shlex.join(("python", *self.arguments))


def bundle_step(name: str, bundle: str | Path, config: str | Sequence[str], choices: Mapping[str, Any]) -> Step:
    """A run of a bundle's config with ``choices`` in place of its own; relative paths are those of the bundle.

    Args:
        name: of the step.
        bundle: its folder, or its name in the clone that this package belongs to.
        config: without ``configs/`` and ``.yaml``; or one and what is laid over it.
        choices: by name.

    Raises:
        InputError: when there is no such bundle.
        InputErrors: for choices that the config does not have, or does not allow.
    """
    folder = BUNDLES / bundle
    if not folder.is_dir():
        raise InputError(folder, "is not there", "run it from a clone of the repository")
    configs = [f"configs/{name}.yaml" for name in ([config] if isinstance(config, str) else config)]
    check_choices([folder / file for file in configs], choices)
    config_file = configs[0] if len(configs) == 1 else configs
    files = {"config_file": config_file, "meta_file": "configs/metadata.json"}
    files["logging_file"] = "configs/logging.conf"
    pairs = [word for key, value in (files | dict(choices)).items() for word in (f"--{key}", _word(value))]
    return Step(name, ("-m", "monai.bundle", "run", *pairs), folder)


def _word(value: object) -> str:
    """What Fire, which reads the command line of MONAI's run as Python, turns into ``value`` again; a text, whatever
    it holds, into that very text and nothing that MONAI might evaluate."""
    word = str(value)
    is_text = isinstance(value, str | os.PathLike) and DefaultParseValue(word) != word
    return repr(word) if is_text else word


class StepRunner:
    """Runs steps one after the other; a step that was done before is not run again.

    Args:
        folder: holds one JSON file a step: its command and the seconds it took, interrupted attempts included.
        num_steps: for the progress display.
        task: stands before it.
    """

    def __init__(self, folder: Path, num_steps: int, task: str = "run") -> None:
        self.folder = folder
        self.progress = tqdm(
            total=num_steps, desc=task, unit="step", bar_format="{desc}: step {n} of {total}, {elapsed}"
        )

    def run(self, step: Step) -> float:
        """Run ``step`` and return the seconds it took.

        Raises:
            InputError: when it fails, or was done with another command before.
        """
        try:
            return self._run(step)
        except BaseException:
            self.progress.close()  # else the message stands in the line of the bar
            raise

    def _run(self, step: Step) -> float:
        record_file = self.folder / f"{step.name}.json"
        record = _read(record_file, step)
        self.progress.write(f"\n{step.name}{' (done before)' if record['done'] else ''}: {step.command}")
        if not record["done"]:
            start, before = time.perf_counter(), record["seconds"]
            try:
                with _lock(record_file) as locks:
                    code = subprocess.run(
                        (sys.executable, *step.arguments), cwd=step.folder, env=ENVIRONMENT, check=False, pass_fds=locks
                    ).returncode
                record["done"] = code == 0
            finally:
                record["seconds"] = before + time.perf_counter() - start
                _write(record_file, record)
            if code:
                raise InputError(step.name, f"ended with exit code {code}", "see its message above, then start again")
        self.progress.update()
        return float(record["seconds"])


@contextlib.contextmanager
def _lock(record_file: Path) -> Iterator[tuple[int, ...]]:
    """Files that keep others out for as long as this process or the step it starts is alive, where the system can."""
    if fcntl is None:
        yield ()
        return
    record_file.parent.mkdir(parents=True, exist_ok=True)
    with record_file.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(record_file.stem, "is still running, started before", "wait for it, or end it") from error
        yield (file.fileno(),)
    Path(file.name).unlink(missing_ok=True)


def _read(path: Path, step: Step) -> dict[str, Any]:
    if not path.exists():
        return {"command": step.command, "seconds": 0.0, "done": False}
    record: dict[str, Any] = json.loads(path.read_text())
    if record["done"] and record["command"] != step.command:
        raise InputError(path, "was made with other settings", "choose another --output-dir, or remove this one")
    return record | {"command": step.command}


def _write(path: Path, record: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1))
