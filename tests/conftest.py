"""The one phantom that all tests share."""

from pathlib import Path

import pytest

from tanq_monai.phantom import write_dataset


@pytest.fixture(scope="session")
def tiny_phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with 4 source, 4 target and 2 test patients at size tiny, seed 0."""
    folder = tmp_path_factory.mktemp("tiny_phantom")
    write_dataset(folder, num_source=4, num_target=4, num_test=2, size="tiny", seed=0)
    return folder
