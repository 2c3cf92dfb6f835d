"""What all tests share; which of them are slow or skipped, and what those may not do that are not marked slow.

Nothing large is imported here, so that a single test is there soon.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from once import once

if TYPE_CHECKING:
    from tanq_monai.deploy.export import Parity

if "PYTEST_XDIST_WORKER" in os.environ:  # one of as many as there are cores
    os.environ["OMP_NUM_THREADS"] = "1"  # here, and in the programs that tests start


CLIENTS = ("zoo", "label", "deploy", "web", "bids", "federated", "runtime")  # marks of tests with real clients


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 4 source, 4 target and 2 test patients at size tiny, seed 0, by three threads."""
    from tanq_monai.phantom import write_dataset

    def write(folder: Path) -> Path:
        write_dataset(folder, num_source=4, num_target=4, num_test=2, size="tiny", seed=0, workers=3)
        return folder

    return once(tmp_path_factory, "tiny_phantom", write)


@pytest.fixture(scope="session")
def paired_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 2 paired patients at size tiny, seed 0."""
    from tanq_monai.phantom import write_dataset

    def write(folder: Path) -> Path:
        write_dataset(folder, num_source=0, num_target=0, num_test=0, num_paired=2, size="tiny", seed=0)
        return folder

    return once(tmp_path_factory, "paired_phantom", write)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, slow: None) -> "dict[str, tuple[Path, Parity]]":
    """Small bundles with their ONNX files, and parities, of 2d, 3d_fullres and translation."""
    from deploy.bundles import segmenter_bundle, translator_bundle

    from tanq_monai.deploy.export import export_onnx

    def export(root: Path) -> "dict[str, tuple[Path, Parity]]":
        made = {name: segmenter_bundle(root / name, name) for name in ("2d", "3d_fullres")}
        made["translation"] = translator_bundle(root / "translation")
        return {name: (folder, export_onnx(folder)) for name, folder in made.items()}

    return once(tmp_path_factory, "exported_bundles", export)


@pytest.fixture(scope="session")
def slow() -> None:
    """Requested by fixtures that train, export or start a process: the tests that use them are then marked slow."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in getattr(item, "fixturenames", ()) or any(map(item.get_closest_marker, CLIENTS)):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("gpu") and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, here is none"))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)  # their files first, so that no worker is left with one


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """What is not marked slow, and so is run by `make check`, fails where it trains a bundle or starts a process."""
    if item.get_closest_marker("slow"):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", _refused("starts a program"))
        patch.setattr(BaseProcess, "start", _refused("starts a process"))
        if "monai.bundle" in sys.modules:
            workflow = sys.modules["monai.bundle"].ConfigWorkflow
            patch.setattr(workflow, "run", _without_training(workflow.run))
        return (yield)


def _refused(what: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail(f"{what}, but is not marked slow")

    return refuse


def _without_training(run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run_unless_it_trains(workflow: Any) -> Any:
        from monai.engines.trainer import Trainer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "run", _refused("trains a bundle"))
            return run(workflow)

    return run_unless_it_trains
