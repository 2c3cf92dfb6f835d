"""A wheel of this repository, installed somewhere else: what it brings along; its commands run from anywhere."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import tanq_monai
from tanq_monai.steps import BUNDLE_NAMES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # With a hatchling that is here nothing is asked of a package index.
    offline = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *offline, "--wheel-dir", folder, ROOT], ROOT)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder that the wheel is installed to, without what it needs, which is here."""
    target = tmp_path_factory.mktemp("installed")
    _run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, wheel], target)
    return target


def _run(words, folder, target=None):
    path = {} if target is None else {"PYTHONPATH": str(target)}
    command = [str(word) for word in words]
    done = subprocess.run(command, cwd=folder, env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _commanded(installed, folder, *words):
    """What the installed console script prints in a folder."""
    return _run([installed / "bin" / "tanq-monai", *words], folder, installed)


def test_the_wheel_holds_both_bundles_byte_for_byte_and_no_run_or_export(wheel):
    with zipfile.ZipFile(wheel) as file:
        packed = {name.removeprefix("tanq_monai/"): file.read(name) for name in file.namelist()}
    found = {name: content for name, content in packed.items() if name.startswith("bundles/")}
    files = {path.relative_to(ROOT) for name in BUNDLE_NAMES for path in (ROOT / "bundles" / name).rglob("*.*")}
    made_here = {path for path in files if "runs" in path.parts or path.suffix in (".ts", ".pyc")}
    made_here.add(Path("bundles") / "tanq_translation" / "models" / "model.onnx")
    licences = {f"bundles/{name}/LICENSE" for name in BUNDLE_NAMES}
    assert {*found} == {path.as_posix() for path in files - made_here} | licences
    assert all(content == (ROOT / name).read_bytes() for name, content in found.items())


def test_the_version_is_that_of_the_package(installed, tmp_path):
    assert _commanded(installed, tmp_path, "--version") == f"tanq-monai {tanq_monai.__version__}\n"


def test_segment_runs_the_installed_bundle_in_an_empty_folder(installed, tmp_path, tiny_phantom):
    scan = min((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    told = json.loads(_commanded(installed, tmp_path, "segment", scan, "-o", "out", "--json"))
    assert told["command"].startswith(f"cd {installed}/tanq_monai/bundles/vs_cochlea_seg && python -m monai.bundle run")
    (one,) = told["scans"]
    label = nib.load(tmp_path / "out" / scan.name.replace("hrT2", "Label"))
    assert label.shape == nib.load(scan).shape
    np.testing.assert_allclose(label.affine, nib.load(scan).affine)
    ml = np.count_nonzero(np.asarray(label.dataobj) == 1) * np.prod(label.header.get_zooms()) / 1000
    with (tmp_path / "out" / "volumes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["vs_ml"]) == one["VS"]["volume_ml"] == pytest.approx(ml, abs=1e-3)
    assert ml > 0
    assert (tmp_path / "out" / "segmentations.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_translate_runs_the_installed_bundle_in_an_empty_folder(installed, tmp_path, tiny_phantom):
    scan = min((tiny_phantom / "training_source").glob("*_ceT1.nii.gz"))
    (tmp_path / "scans").mkdir()
    for path in (scan, scan.with_name(scan.name.replace("ceT1", "Label"))):
        (tmp_path / "scans" / path.name).symlink_to(path)
    given = ("--dataset-dir", "scans", "--output-dir", "out", "--style", "etz")
    printed = _commanded(installed, tmp_path, "translate", *given)
    assert printed.startswith(f"cd {installed}/tanq_monai/bundles/tanq_translation && python -m monai.bundle run")
    (made,) = (tmp_path / "out").glob("*.nii.gz")
    assert made.name.startswith(scan.name.removesuffix("ceT1.nii.gz"))
    values = nib.load(made).get_fdata()
    assert values.shape == nib.load(scan).shape
    assert 0 <= values.min() < values.max() <= 1
