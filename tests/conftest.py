"""The one phantom that all tests share; which tests are skipped, and what those may not do that are not marked slow."""

import os
import subprocess
from collections.abc import Callable, Generator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigWorkflow
from monai.engines.trainer import Trainer
from once import once

from tanq_monai.phantom import write_dataset

if "PYTEST_XDIST_WORKER" in os.environ:  # one of as many as there are cores
    os.environ["OMP_NUM_THREADS"] = "1"  # of programs that tests start
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 4 source, 4 target and 2 test patients at size tiny, seed 0."""

    def write(folder: Path) -> Path:
        write_dataset(folder, num_source=4, num_target=4, num_test=2, size="tiny", seed=0)
        return folder

    return once(tmp_path_factory, "tiny_phantom", write)


@pytest.fixture(scope="session")
def slow() -> None:
    """Requested by what trains or starts a process: whichever tests use that are then marked slow."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # their files first, so that no worker is left with one
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, here is none"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """What is not marked slow, and so is run by `make check`, fails where it trains a bundle or starts a process."""
    if item.get_closest_marker("slow"):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", _refused("starts a program"))
        patch.setattr(BaseProcess, "start", _refused("starts a process"))
        patch.setattr(ConfigWorkflow, "run", _without_training(ConfigWorkflow.run))
        return (yield)


def _refused(what: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail(f"{what}, but is not marked slow")

    return refuse


def _without_training(run: Callable[[ConfigWorkflow], Any]) -> Callable[[ConfigWorkflow], Any]:
    def run_unless_it_trains(workflow: ConfigWorkflow) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "run", _refused("trains a bundle"))
            return run(workflow)

    return run_unless_it_trains
