"""Training steps against those of another commit, both in one run."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks.measure import SCRIPTS, alternate_trees, machine, report, tell
from benchmarks.steps import Step
from tanq_monai.precision import use_amp

TREE = SCRIPTS.parent
# Of the other commit's seconds and memory: in bfloat16, and in float32.
BARS = {"TANQ": {True: (0.60, 0.75), False: (0.9, None)}, "CycleGAN": {True: (None, None), False: (None, None)}}


def training(
    against: str,
    parts: Sequence[str] = ("tanq",),
    repeats: int = 5,
    steps: int = 2,
    threads: int = 2,
    batch: int = 4,
    size: int = 256,
    width: int = 64,
    seed: int = 0,
    amp: bool | str = "auto",
) -> None:
    """Seconds and memory of training steps, over those of another commit: processes of their own, in turn; medians.

    The other commit computes in float32, as it did on every CPU.

    Args:
        against: a checkout of the other commit.
        parts: what is measured: tanq, cyclegan.
        repeats: processes of each commit.
        steps: in each process, after a first one; the fastest counts.
        threads: of torch.
        batch: slices of each domain.
        size: pixels across.
        width: channels of the networks' first convolution; 64 is published.
        seed: of weights and slices.
        amp: this commit's precision, as in the configs: auto, true or false.
    """
    step = Step(batch=batch, size=size, width=width, threads=threads, seed=seed, amp=use_amp(amp, "cpu"))
    for part in [parts] if isinstance(parts, str) else parts:
        PARTS[part](Path(against), step, repeats, steps)
    tell(f"n = {repeats} processes of each commit in turn, the fastest of {steps} steps after a first; medians")
    tell(
        f"batch {batch}, {size} x {size}, width {width}, seed {seed}; "
        f"here {'bfloat16' if step.amp else 'float32'}, there float32"
    )
    tell(f"{threads} threads, {machine()}, torch {torch.__version__}")


def translator(method: str, against: Path, step: Step, repeats: int, steps: int) -> None:
    """The step of a translator."""
    here = replace(step, method=method)
    runs = [(tree, _arguments(one, steps)) for tree, one in ((against, replace(here, amp=False)), (TREE, here))]
    theirs, ours = alternate_trees(runs, repeats)
    bars = BARS[method][step.amp]
    for what, unit, bar in zip(("seconds", "gigabytes"), ("s", "GB"), bars, strict=True):
        other, own = (statistics.median(found[what] for found in record) for record in (theirs, ours))
        report(f"{method} step, {what} there", other, unit)
        report(f"{method} step, {what} here", own, unit)
        report(f"{method} step, {what} here / there", own / other, bar=bar)


def _arguments(step: Step, steps: int) -> list[str]:
    return ["-m", "benchmarks.step_once", str(steps), json.dumps(asdict(step))]


PARTS: dict[str, Callable[[Path, Step, int, int], None]] = {
    "tanq": lambda *how: translator("TANQ", *how),
    "cyclegan": lambda *how: translator("CycleGAN", *how),
}
