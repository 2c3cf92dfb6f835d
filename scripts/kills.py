"""Every long command is killed at random moments and typed again, and ends as one that nobody disturbed.

    python scripts/kills.py --output-dir OUT [--kills 30] [--seed 0] [--minutes 25] [--only cohort]

makes virtual patients of size tiny, runs every command in peace before it is first disturbed, and then kills its
process group by SIGKILL at moments drawn between its first file and its end, in seconds of a processor, so that they
are as they were however busy the machine is. After every kill each file that has its final name is opened, read to its
end, and has to be whole; a command that was typed again until it was done has to leave the same files, bit by bit.
OUT/kills.md has the table. A run that was stopped goes on with the next command; with --minutes no command is begun
after so long. Linux.
"""

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import fire
import numpy as np
import torch
from results_compared import NNUNETS, SKIPPED, damaged, differences, left_over

from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, replacing, write_json
from tanq_monai.phantom import write_dataset
from tanq_monai.steps import BUNDLES, SEGMENTER, TRANSLATOR, bundle_step

TRAIN_MODELS = ("translator", "segmenter")  # which others use
KILLS_A_LINE = 2  # at most, of one folder
PATIENCE = 1500.0  # seconds that a run in peace may take
POLL = 0.05  # seconds between two looks
SMALL = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "slab_mm": 12.0}
PATCHES = {"patch_size": [88, 88], "features_per_stage": [4, 8, 8]}
STEPS = {"max_epochs": 3, "iterations_per_epoch": 2, "batch_size": 2, "num_processes": 0, "device": "cpu"}
SCRIPTS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Command:
    """A command whose last word but for an option is the folder that it fills.

    Attributes:
        name: of it.
        arguments: of Python; ``OUT`` stands for the folder.
        place: the folder that it runs in.
    """

    name: str
    arguments: tuple[str, ...]
    place: Path

    @contextlib.contextmanager
    def running(self, folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Begun in a process group of its own, with one thread; in the end the group is gone."""
        words = [word.replace("OUT", str(folder)) for word in self.arguments]
        environment = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(BUNDLES.parent)}
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.place,
                env=os.environ | environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            kill(process)


def spent(process: subprocess.Popen[bytes]) -> float:
    """Seconds of a processor that a process and all that it has started have had."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = file.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, words[11:15])) if int(words[2]) == process.pid else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it has started, where any of them is alive."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass
class Line:
    """One folder: a command that is killed and typed again until it is done.

    Attributes:
        command: its name.
        kills: seconds of a processor that it had had when it was killed.
        opened: files that were read after all kills together.
        damaged: those that were not whole, by name, with what was wrong.
        left: what killed writers have left, after the end.
        differences: from the run in peace.
    """

    command: str
    kills: list[float] = field(default_factory=list)
    opened: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def kills(output_dir: str, kills: int = 30, seed: int = 0, minutes: float = 25.0, only: str | None = None) -> None:
    """Run what is left to do, write the table after every line, and print it in the end.

    Args:
        output_dir: gets everything.
        kills: of all commands together, dealt out in turn.
        seed: of the moments.
        minutes: after which no line is begun any more.
        only: the name of one command.
    """
    began, root = time.monotonic(), check_output_dir(output_dir).resolve()
    data, peace = root / "data", root / "undisturbed"
    if not (data / "withheld_labels" / "patients.csv").exists():  # written last
        write_dataset(data, num_source=6, num_target=4, num_test=2, size="tiny", seed=0, workers=2)
    chosen = [command for command in commands(data, peace) if only in (None, command.name)]
    if not chosen:
        raise InputError(f"only {only}", "is no command", f"choose of {[one.name for one in commands(data, peace)]}")
    spans = {one.name: undisturbed(one, peace) for one in commands(data, peace) if one.name in TRAIN_MODELS}
    quota = {command.name: len(range(number, kills, len(chosen))) for number, command in enumerate(chosen)}
    found: list[Line] = []
    for number in range(kills):
        for command in chosen:
            left = quota[command.name] - sum(len(line.kills) for line in found if line.command == command.name)
            if left > 0 and time.monotonic() - began < 60 * minutes:
                spans[command.name] = undisturbed(command, peace)
                moments = np.random.default_rng([seed, *command.name.encode(), number])
                line = disturbed(command, root, number, min(left, KILLS_A_LINE), spans[command.name], moments)
                found.append(line)
                sys.stdout.write(f"{json.dumps(asdict(line))}\n")
                sys.stdout.flush()
                _write(found, spans, root, seed)
    sys.stdout.write((root / "kills.md").read_text() if found else "no kill\n")


def commands(data: Path, peace: Path) -> Iterator[Command]:
    """All long commands at a tiny size; later ones use models of the first two."""
    translator, segmenter = peace / "translator", peace / "segmenter"
    source, target = data / "training_source", data / "training_target"
    training = SMALL | {"start_from": None, "crop": 32, "max_epochs": 2, "batch_size": 2, "device": "cpu", "amp": False}
    training |= {"dataset_dir": data, "output_dir": "OUT", "checkpoint_minutes": 0.0, "validate_every": 1}
    yield _of_bundle("translator", TRANSLATOR, "train", training)
    folds = STEPS | {"plans_override": PATCHES, "configuration": "2d", "fold": 0, "amp": False}
    yield _of_bundle("segmenter", SEGMENTER, "train", folds | {"dataset_dir": source, "output_dir": "OUT"})
    views = {
        "dataset_dir": source,
        "output_dir": "OUT",
        "device": "cpu",
        "amp": False,
        "used_views": ["tanq", "signal"],
    }
    yield _of_bundle(
        "multi-view", TRANSLATOR, "multi_view", views | {"tanq_model_file": translator / "models/model.pt"}
    )
    models = str(segmenter / "models" / "2d_fold_0")
    cohort = ("cohort", str(target), str(data / "validation"), "--output-dir", "OUT", "--ensemble-dir", models)
    yield Command("cohort", ("-m", "tanq_monai", *cohort, "--workers", "2", "--ears-first", "False"), data)
    exported = ("export-onnx", "--bundle", str(BUNDLES / SEGMENTER), "--output", "OUT/model.onnx")
    yield Command("export", ("-m", "tanq_monai", *exported), data)
    rounds = {"dataset_dir": source, "target_dir": target, "output_dir": "OUT", "rounds": 1, "folds": ["all"]}
    rounds |= {"configurations": {"2d": {}}, "training": STEPS | {"plans_override": PATCHES, "max_epochs": 2}}
    rounds |= {"refinement": {"refine": False}, "stop_agreement": 2, "inference": {"device": "cpu"}}
    yield _of_bundle("self-training", SEGMENTER, "self_training", rounds)
    yield Command("packaging", (str(SCRIPTS / "package_zoo.py"), "--output", "OUT"), data)


def _of_bundle(name: str, bundle: str, config: str, choices: dict[str, Any]) -> Command:
    step = bundle_step(name, bundle, config, choices)
    return Command(name, step.arguments, step.folder or BUNDLES)


def undisturbed(command: Command, peace: Path) -> tuple[float, float]:
    """Seconds of a processor from the start of a command to its first file and to its end, by a run in peace.

    Raises:
        InputError: when it fails.
    """
    folder, record = peace / command.name, peace / f"{command.name}.json"
    if not record.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        start, seconds, first = time.monotonic(), 0.0, None
        with command.running(folder, peace / f"{command.name}.log") as process:
            while process.poll() is None and time.monotonic() - start < PATIENCE:
                seconds = max(seconds, spent(process))
                if first is None and any(folder.iterdir()):
                    first = seconds
                time.sleep(POLL)
        _, wrong = damaged(folder)
        if process.returncode or first is None or wrong:
            raise InputError(
                command.name, f"ends with exit code {process.returncode}, {wrong}", f"see {record.stem}.log"
            )
        write_json([first, seconds], record)
    first, seconds = json.loads(record.read_text())
    return first, seconds


def disturbed(
    command: Command, root: Path, number: int, most: int, span: Sequence[float], moments: np.random.Generator
) -> Line:
    """A line of ``command``: killed ``most`` times at most, then left in peace. One that is done is read again.

    Args:
        command: which.
        root: of all results.
        number: of the line.
        most: kills.
        span: seconds between which it is killed.
        moments: draws them.

    """
    folder, record = (root / "lines" / f"{command.name}_{number}{ending}" for ending in ("", ".json"))
    if record.exists():
        return Line(**json.loads(record.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    line, log = Line(command.name), folder.with_suffix(".log")
    while True:
        moment = float(moments.uniform(*span)) if len(line.kills) < most else None
        with command.running(folder, log) as process:
            while process.poll() is None and (moment is None or spent(process) < moment):
                time.sleep(POLL)
            code = process.poll()
        if code is not None:
            break
        line.kills.append(round(moment or 0.0, 2))
        opened, wrong = damaged(folder)
        line.opened += opened
        line.damaged |= {f"{name} (kill {len(line.kills)})": why for name, why in wrong.items()}
    if code:
        line.differences.append(f"typed again it ends with exit code {code}, see {log.name}")
    else:
        line.differences += differences(root / "undisturbed" / command.name, folder)
    line.left = left_over(folder)
    write_json(asdict(line), record)
    return line


def table(found: Sequence[Line], spans: dict[str, tuple[float, float]]) -> str:
    """Kills and what they did, by command, as markdown."""
    head = ["command", "processor s in peace", "kills", "files opened", "damaged", "nnU-Net's, made again", "same end"]
    rows = [head, ["---"] * len(head)]
    for name, (_, seconds) in spans.items():
        lines = [line for line in found if line.command == name]
        wrong = [file for line in lines for file in line.damaged]
        theirs = [file for file in wrong if NNUNETS.search(file)]
        counts = [sum(len(line.kills) for line in lines), sum(line.opened for line in lines)]
        ends = f"{sum(not line.differences for line in lines)} of {len(lines)}"
        rows.append([name, f"{seconds:.0f}", *map(str, counts), str(len(wrong) - len(theirs)), str(len(theirs)), ends])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _write(found: Sequence[Line], spans: dict[str, tuple[float, float]], root: Path, seed: int) -> None:
    told = [f"* {line.command}: {what}" for line in found for what in (*line.damaged, *line.differences, *line.left)]
    number = sum(len(line.kills) for line in found)
    made = f"python scripts/kills.py --kills {number} --seed {seed}; {platform.machine()}, {os.cpu_count()} cores, "
    made += f"torch {torch.__version__}, {date.today()}. Virtual patients; research only.\n"
    skipped = "".join(f"* not compared: {name}: {why}\n" for name, why in SKIPPED.items())
    with replacing(root / "kills.md") as temporary:
        temporary.write_text(f"{table(found, spans)}\n{made}\n{skipped}" + "".join(f"{one}\n" for one in told))


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(kills)
