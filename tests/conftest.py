"""The one phantom that all tests share, and which tests a machine without a GPU skips."""

from pathlib import Path

import pytest
import torch

from tanq_monai.phantom import write_dataset


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 4 source, 4 target and 2 test patients at size tiny, seed 0."""
    folder = tmp_path_factory.mktemp("tiny_phantom")
    write_dataset(folder, num_source=4, num_target=4, num_test=2, size="tiny", seed=0)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, here is none"))
