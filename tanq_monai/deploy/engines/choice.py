"""Which engine a network runs on: what the user says, else the fastest for its kind that is installed."""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tanq_monai.errors import InputError

AUTO, TORCH, ONNX_RUNTIME, OPENVINO = "auto", "torch", "onnxruntime", "openvino"
SEGMENTER_2D, SEGMENTER_3D, TRANSLATOR = "2D segmenter", "3D segmenter", "translator"
# Fastest first, with and without bfloat16: `python scripts/bench.py engines`, whose table is in docs/performance.md.
FASTEST = {
    SEGMENTER_2D: (OPENVINO, ONNX_RUNTIME, TORCH),
    SEGMENTER_3D: (OPENVINO, ONNX_RUNTIME, TORCH),
    TRANSLATOR: (ONNX_RUNTIME, TORCH, OPENVINO),
}
# Where bfloat16 is taken without being asked for: results hold (labels: Dice to float32's .998 or more).
HOLDS_IN_BFLOAT16 = ((OPENVINO, SEGMENTER_2D), (TORCH, TRANSLATOR))
EXTRAS = {ONNX_RUNTIME: "runtime", OPENVINO: "openvino", TORCH: "full"}  # of the package, which bring them
WITH_BFLOAT16 = (OPENVINO, TORCH)  # ONNX Runtime computes in the number type of the file, and ours are float32


@dataclass(frozen=True)
class Choices:
    """What a user may say.

    Attributes:
        engine: of :data:`FASTEST`, or auto.
        threads: None: one for every core that this process may use.
        bfloat16: None: where the processor computes in it, and the results hold.

    Raises:
        InputError: for threads that are no whole number above 0.
    """

    engine: str = AUTO
    threads: int | None = None
    bfloat16: bool | None = None

    def __post_init__(self) -> None:
        check_threads(self.threads)

    @property
    def num_threads(self) -> int:
        """How many threads compute."""
        return self.threads or _cores()


def choose_engine(choices: Choices, kind: str, possible: Sequence[str]) -> str:
    """The name of the engine.

    Args:
        choices: the user's.
        kind: of the network, one of :data:`FASTEST`.
        possible: engines that could run it, were they installed.

    Raises:
        InputError: when the engine that is asked for is none of them or not installed, or none is left.
    """
    asked = choices.engine
    if asked == AUTO:
        fit = [name for name in FASTEST[kind] if name in possible and (name in WITH_BFLOAT16 or not choices.bfloat16)]
        chosen = next((name for name in fit if is_installed(name)), None)
        if chosen is None:
            extra = EXTRAS[ONNX_RUNTIME if ONNX_RUNTIME in fit else fit[0]]
            remedy = f'python -m pip install "tanq-monai[{extra}]"'
            raise InputError("engine", f"none of {', '.join(fit)} is installed", remedy)
        return chosen
    if asked not in possible:
        problem = "runs no such network" if asked in FASTEST[kind] else "is none"
        raise InputError(f"engine {asked}", problem, f"choose auto or one of {', '.join(possible)}")
    if not is_installed(asked):
        raise InputError(f"engine {asked}", "is not installed", f"install {asked}, or choose auto")
    if choices.bfloat16 and asked not in WITH_BFLOAT16:
        raise InputError(
            f"engine {asked}", "computes in float32 alone", f"let amp be auto or false, or choose {OPENVINO}"
        )
    return asked


def check_threads(threads: Any) -> None:
    """Raise :class:`InputError` unless it is None or a whole number above 0."""
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise InputError(f"threads {threads}", "is no number of threads", "give 1 or more, or leave it out")


def is_installed(name: str) -> bool:
    """Whether Python finds an engine, which is not imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
