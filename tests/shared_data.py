"""Real data that lie beside the repository on some machines and are never part of it."""

from pathlib import Path

import pytest


def shared_data_folder(name: str) -> Path:
    """``../shared/data/{name}`` beside the repository; skips the test where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data" / name
    if not folder.exists():
        pytest.skip(f"real data are absent: no ../shared/data/{name} beside the repository")
    return folder


@pytest.fixture
def shared_data() -> Path:
    """The folder of all real data."""
    return shared_data_folder("")
