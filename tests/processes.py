"""Real processes that have everything imported when they begin: children of a server that did it once.

For what needs a process of its own, to be killed or to be one of several ranks. To start a Python program costs
several seconds of imports instead; one test for each program does.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess

import torch

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["monai.bundle", "tanq_monai.trainers.tanq", "tanq_monai.segmentation.training.engine"])


def start(function: Callable[..., object], *arguments: object, **environment: str) -> ForkServerProcess:
    """``function`` of a module, begun in a process with one thread, and with this environment besides."""
    process = CONTEXT.Process(target=_run, args=(function, arguments, environment))
    process.start()
    return process


def end(*processes: ForkServerProcess, seconds: float = 300) -> list[int | None]:
    """Exit codes when all have ended; None of one that did not within ``seconds``, and was killed."""
    codes = []
    for process in processes:
        process.join(seconds)
        codes.append(process.exitcode)
        process.kill()
    return codes


def _run(function: Callable[..., object], arguments: tuple[object, ...], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)  # sums are rounded otherwise with another number of threads
    function(*arguments)
