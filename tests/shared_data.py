"""Real data that lie beside the repository on some machines and are never part of it."""

import os
from pathlib import Path

import pytest

BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "data"


def shared_data_folder(name: str) -> Path:
    """``{name}`` in the folder of real data; skips the test where it is absent.

    The environment variable ``TANQ_REAL_DATA`` names that folder; ``../shared/data`` beside the repository by default.
    """
    folder = Path(os.environ.get("TANQ_REAL_DATA", BESIDE_THE_REPOSITORY)) / name
    if not folder.exists():
        pytest.skip(f"real data are absent: no {name} in TANQ_REAL_DATA or in ../shared/data beside the repository")
    return folder
