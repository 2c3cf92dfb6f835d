"""The bundles that several files of tests export."""

from pathlib import Path

import pytest
from once import once

from bundles import segmenter_bundle, translator_bundle
from tanq_monai.deploy.export import Parity, export_onnx


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Parity]]:
    """Bundle with its ONNX file, and parity, of 2d, 3d_fullres and translation."""

    def export(root: Path) -> dict[str, tuple[Path, Parity]]:
        made = {name: segmenter_bundle(root / name, name) for name in ("2d", "3d_fullres")}
        made["translation"] = translator_bundle(root / "translation")
        return {name: (folder, export_onnx(folder)) for name, folder in made.items()}

    return once(tmp_path_factory, "exported_bundles", export)
