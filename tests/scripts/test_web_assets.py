"""What the page in `web/` is built of is made anew when anything changes that it is made from."""

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import web_assets

from tanq_monai.steps import BUNDLES

ROOT = Path(__file__).parents[2]
SEGMENTER = BUNDLES / "vs_cochlea_seg"
SCRIPT, FACTS = Path("scripts/web_assets.py"), Path("web/assets/facts.json")
OF_BUNDLE = (
    *("configs/inference.yaml", "configs/metadata.json"),
    *("models/model.pt", "models/plans.json", "models/dataset.json"),
)


def imported_by(script: Path) -> set[Path]:
    """The script, and all modules of the package that it imports, at once or later."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [f"{names[0]}.{one.name}" for one in node.names] if names else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            places = [Path(*name.split(".")) for name in names if name.startswith("tanq_monai")]
            files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
            waiting += [file for file in files if (ROOT / file).is_file()]
    return found


@pytest.mark.slow
def test_a_change_of_anything_that_the_assets_are_made_from_makes_them_anew(tmp_path):
    made_from = {*imported_by(SCRIPT), *(Path("bundles/vs_cochlea_seg", name) for name in OF_BUNDLE)}
    made_from |= {Path("tanq_monai/anatomy/published.yaml"), Path("tanq_monai/scans/contrast.yaml")}
    assert Path("tanq_monai/deploy/onnx.py") in made_from
    shutil.copy(ROOT / "Makefile", tmp_path)
    for path in (*made_from, FACTS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
        os.utime(tmp_path / path, (1000, 1000 + (path == FACTS)))

    def is_up_to_date() -> bool:
        return subprocess.run(["make", "-q", str(FACTS)], cwd=tmp_path, check=False).returncode == 0

    assert is_up_to_date()
    for path in sorted(made_from):
        os.utime(tmp_path / path, (1002, 1002))
        assert not is_up_to_date(), path
        os.utime(tmp_path / path, (1000, 1000))


def test_a_newer_file_than_the_weights_is_exported_again(tmp_path, monkeypatch):
    exported = []

    def export(bundle, path):
        exported.append(bundle)
        shutil.copy(SEGMENTER / "models" / "model.onnx", path)

    monkeypatch.setattr(web_assets, "export_onnx", export)
    web_assets.write_assets(SEGMENTER, tmp_path)
    web_assets.write_assets(SEGMENTER, tmp_path)
    assert exported == [SEGMENTER, SEGMENTER]
    assert (tmp_path / "facts.json").is_file()
