"""Steps of a longer work: commands that anyone can repeat by hand, each run once and remembered when it is done.

Ctrl-C, SIGTERM, or an error in the work ends the step that is running and what that one has started; where the work
itself is killed, Linux alone ends them.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fire.parser import DefaultParseValue
from tqdm import tqdm

import tanq_monai
from tanq_monai.choices.files import check_choices
from tanq_monai.claims import locked
from tanq_monai.errors import InputError
from tanq_monai.files import file_stamps, replacing

# Threads that wait asleep: spinning ones slow down many times as soon as another program wants a core as well.
# MONAI warns that a config can execute anything; ours are our own.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONWARNINGS": "ignore::UserWarning:monai.bundle.scripts",
} | os.environ
_PACKAGE = Path(tanq_monai.__file__).resolve().parent
# Both bundles: a wheel carries them inside the package, in a clone they lie beside it.
BUNDLES = (_PACKAGE if (_PACKAGE / "bundles").is_dir() else _PACKAGE.parent) / "bundles"
TRANSLATOR, SEGMENTER = BUNDLE_NAMES = ("tanq_translation", "vs_cochlea_seg")  # fetched ones may lie beside them

PATIENCE = 10.0  # seconds that a step has to clean up when it is ended

# What runs for a moment in place of a step, and becomes it. A step hears nothing of Ctrl-C, since who started it does
# and ends it; on Linux it also ends when that process has, by option 1 of prctl, PR_SET_PDEATHSIG.
_BECOME = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@dataclass(frozen=True)
class Step:
    """A command and the folder it runs in.

    Attributes:
        name: of the file that remembers it.
        arguments: of Python.
        folder: the working directory.
        reads: files and folders; done once, it is run again when a file of them is new, gone or another.
        writes: files and folders; it is run again when a file that it left there is gone or another.
    """

    name: str
    arguments: tuple[str, ...]
    folder: Path | None = None
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()

    @property
    def command(self) -> str:
        """As it would be typed."""
        return shlex.join(("python", *self.arguments))


def bundle_step(
    name: str,
    bundle: str | Path,
    config: str | Sequence[str],
    choices: Mapping[str, Any],
    reads: Sequence[Path] = (),
    writes: Sequence[Path] = (),
) -> Step:
    """A run of a bundle's config with ``choices`` in place of its own; relative paths are those of the bundle.

    Args:
        name: of the step.
        bundle: its folder, or the name of one that this package brings along.
        config: without ``configs/`` and ``.yaml``; or one and what is laid over it.
        choices: by name.
        reads: as of a :class:`Step`.
        writes: as of a :class:`Step`.

    Raises:
        InputError: when there is no such bundle, or no MONAI to run it.
        InputErrors: for choices that the config does not have, or does not allow.
    """
    if find_spec("monai") is None:
        raise InputError(name, "needs monai, which is not installed", tanq_monai.FULL_INSTALLATION)
    folder = BUNDLES / bundle
    if not folder.is_dir():
        raise InputError(folder, "is not there", "install tanq-monai again, or give the folder of a bundle")
    configs = [f"configs/{name}.yaml" for name in ([config] if isinstance(config, str) else config)]
    check_choices([folder / file for file in configs], choices)
    config_file = configs[0] if len(configs) == 1 else configs
    files = {"config_file": config_file, "meta_file": "configs/metadata.json"}
    files["logging_file"] = "configs/logging.conf"
    pairs = [word for key, value in (files | dict(choices)).items() for word in (f"--{key}", _word(value))]
    return Step(name, ("-m", "monai.bundle", "run", *pairs), folder, tuple(reads), tuple(writes))


def _word(value: object) -> str:
    """What Fire, which reads the command line of MONAI's run as Python, turns into ``value`` again; a text, whatever
    it holds, into that very text and nothing that MONAI might evaluate."""
    word = str(value)
    is_text = isinstance(value, str | os.PathLike) and DefaultParseValue(word) != word
    return repr(word) if is_text else word


@dataclass(frozen=True)
class Record:
    """What is remembered of a step.

    Attributes:
        command: as it was typed.
        seconds: that it took, interrupted attempts included.
        done: whether it ended well.
        reads: stamps of what it read, see :func:`tanq_monai.files.file_stamps`.
        writes: stamps of what it left.
    """

    command: str
    seconds: float
    done: bool
    reads: list[list[Any]]
    writes: list[list[Any]]

    @property
    def is_whole(self) -> bool:
        """Whether it is what was written, as far as types tell: somebody may have edited its file."""
        stamps = [*self.reads, *self.writes]
        named = all(isinstance(stamp, list) and stamp and isinstance(stamp[0], str) for stamp in stamps)
        return named and isinstance(self.done, bool) and isinstance(self.seconds, int | float)


class StepRunner:
    """Runs steps one after the other; a step that was done before, and of which all is as it was, is not run again.

    Args:
        folder: holds one JSON file a step, its :class:`Record`.
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
        if record.done and (change := _change(record, step)):
            self.progress.write(f"\n{step.name} was done before, but {change}")
            record = replace(record, done=False)
        self.progress.write(f"\n{step.name}{' (done before)' if record.done else ''}: {step.command}")
        if not record.done:
            record = self._done(step, record, record_file)
        self.progress.update()
        return record.seconds

    def _done(self, step: Step, record: Record, record_file: Path) -> Record:
        """Run the command; what is to be remembered."""
        start, code = time.perf_counter(), None
        record = replace(record, reads=_stamps(step.reads))
        try:
            with _lock(record_file) as locks:
                code = execute(step, locks)
        finally:
            seconds = record.seconds + time.perf_counter() - start
            record = replace(record, seconds=seconds, done=code == 0, writes=_stamps(step.writes))
            with replacing(record_file) as temporary:
                temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
        if code:
            how = f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
            raise InputError(step.name, how, "see its message above, if there is one, then start again")
        return record


def run_steps(folder: Path, steps: Sequence[Step], task: str = "run") -> dict[str, float]:
    """Run what is left to do of ``steps``, one after the other; the seconds that each took, by its name.

    Args:
        folder: as of a :class:`StepRunner`.
        steps: in their order.
        task: as of a :class:`StepRunner`.

    Raises:
        InputError: as :meth:`StepRunner.run`.
    """
    runner = StepRunner(folder, len(steps), task)
    return {step.name: runner.run(step) for step in steps}


def execute(step: Step, files: tuple[int, ...] = ()) -> int:
    """The exit code of a step's command, which ends before this function does, however that ends.

    Args:
        step: to run.
        files: descriptors of open files that it keeps open.
    """
    become = () if sys.platform == "win32" else ("-I", "-S", "-c", _BECOME, str(os.getpid()))
    command = (sys.executable, *become, *step.arguments)
    with subprocess.Popen(command, cwd=step.folder, env=ENVIRONMENT, pass_fds=files) as process:
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            raise
        finally:
            process.kill()  # unless it has ended


@contextlib.contextmanager
def _lock(record_file: Path) -> Iterator[tuple[int, ...]]:
    """Files that keep others out for as long as this process or the step it starts is alive, where the system can."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(locked(record_file.with_suffix(".lock"), wait=False))
        except BlockingIOError as error:
            raise InputError(record_file.stem, "is still running, started before", "wait for it, or end it") from error
        yield (file.fileno(),)


def _read(path: Path, step: Step) -> Record:
    if not path.exists():
        return Record(step.command, seconds=0.0, done=False, reads=[], writes=[])
    try:
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        if not record.is_whole:
            raise ValueError("its values are of other types")
    except (OSError, ValueError, TypeError) as error:
        remedy = "remove it, and the step is run again, from where it can go on"
        raise InputError(path, "is no record of a step", remedy) from error
    if record.done and record.command != step.command:
        raise InputError(path, "was made with other settings", "choose another --output-dir, or remove this one")
    return replace(record, command=step.command)


def _stamps(paths: Sequence[Path]) -> list[list[Any]]:
    return file_stamps(path for path in paths if path.exists())


def _change(record: Record, step: Step) -> str | None:
    """What is no longer as it was when the step was done; a file more among those that it wrote is no change."""
    read, written = _stamps(step.reads), _stamps(step.writes)
    left = [name for name, *_ in record.writes]
    return _difference(record.reads, read) or _difference(record.writes, [one for one in written if one[0] in left])


def _difference(before: list[list[Any]], now: list[list[Any]]) -> str | None:
    old, new = ({name: stamp for name, *stamp in stamps} for stamps in (before, now))
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            return f"{name} is gone"
        if old.get(name) != new[name]:
            return f"{name} {'has changed' if name in old else 'is new'}"
    return None
