"""Bundles as strangers get them: packed, served, downloaded, run where nothing of this repository is installed.

`make test-zoo` runs it; .venv-zoo holds for each bundle what its metadata ask for, and nothing else.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bundle_workflow import BUNDLES
from made_up_zoo import serving, snapshot

from tanq_monai.evaluation.folder import evaluate_folder
from tanq_monai.phantom import write_dataset

pytestmark = [pytest.mark.zoo, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
PACKAGING = ("scripts/package_zoo.py", "--output")
MIN_DICE = {"VS": 0.4, "cochlea": 0.4}  # mean of two virtual patients
MAX_SECONDS = 60  # of processors, from fetch to two segmentations


@dataclass(frozen=True)
class Published:
    """A bundle, the scans it is shown, and what its files are called."""

    name: str
    scans: str
    output: str


SEGMENTER = Published("vs_cochlea_seg", "validation", "Label")
TRANSLATOR = Published("tanq_translation", "training_source", "hrT2")
both = pytest.mark.parametrize("published", [SEGMENTER, TRANSLATOR], ids=lambda published: published.name)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """One ceT1 scan with label and two hrT2 scans."""
    folder = tmp_path_factory.mktemp("phantom")
    write_dataset(folder, num_source=1, num_target=0, num_test=2, size="small", seed=7)
    return folder


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Address of a plain http server of what scripts/package_zoo.py made of this repository."""
    if missing := [name for name in ("vs_cochlea_seg", "tanq_translation") if not weights(name).is_file()]:
        pytest.skip(
            f"no weights in bundles/{missing[0]}/models: see scripts/train_translator.py and train_segmenter.py"
        )
    folder = tmp_path_factory.mktemp("zoo")
    checked([sys.executable, *PACKAGING, str(folder)], cwd=ROOT)
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def downloaded(zoo, tmp_path_factory):
    """Folder of both bundles, downloaded by MONAI into an empty one."""
    folder = tmp_path_factory.mktemp("empty")
    for published in (SEGMENTER, TRANSLATOR):
        url = f"{zoo}/{published.name}_v{version(published.name)}.zip"
        words = ["--name", published.name, "--url", url, "--bundle_dir", str(folder)]
        stranger(published, ["-m", "monai.bundle", "download", *words], folder)
    return folder


@pytest.fixture(scope="module")
def predictions(downloaded, phantom, tmp_path_factory):
    """By bundle, the folder that ``python -m monai.bundle run`` of a downloaded bundle wrote."""
    folders = {published.name: tmp_path_factory.mktemp(published.name) for published in (SEGMENTER, TRANSLATOR)}
    for published in (SEGMENTER, TRANSLATOR):
        infer(published, downloaded / published.name, phantom / published.scans, folders[published.name])
    return folders


def weights(name):
    return BUNDLES / name / "models" / "model.pt"


def version(name):
    return json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())["version"]


def checked(command, cwd, environment=None):
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def stranger(published, words, cwd):
    """What Python prints in the environment of a bundle, with nothing of this process's own but threads and GPUs."""
    python = ROOT / ".venv-zoo" / published.name / "bin" / "python"
    assert python.is_file(), "make .venv-zoo/ready makes it"
    kept = ("PATH", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONNOUSERSITE": "1"}
    return checked([str(python), *words], cwd, environment)


def infer(published, bundle, scans, output):
    """The command of the card and of docs/zoo.md."""
    files = {"config_file": "configs/inference.yaml", "meta_file": "configs/metadata.json"}
    files["logging_file"] = "configs/logging.conf"
    words = [word for key, value in files.items() for word in (f"--{key}", value)]
    words += ["--dataset_dir", str(scans), "--output_dir", str(output)]
    stranger(published, ["-m", "monai.bundle", "run", *words], bundle)


@both
def test_nothing_of_the_repository_is_installed_there_and_the_bundle_brings_its_own(published, downloaded):
    bundle = downloaded / published.name
    code = "import tanq_monai; print(tanq_monai.__file__)"
    assert Path(stranger(published, ["-c", code], bundle).strip()) == bundle / "tanq_monai" / "__init__.py"
    elsewhere = "import importlib.util; print(importlib.util.find_spec('tanq_monai'))"
    assert stranger(published, ["-c", elsewhere], downloaded).strip() == "None"


def test_the_downloaded_segmenter_segments_scans_of_virtual_patients(predictions, phantom):
    truth = phantom / "withheld_labels" / "validation"
    table = evaluate_folder(str(predictions[SEGMENTER.name]), str(truth)).scores
    dice = table.groupby("structure")["dice"].mean()
    assert {name for name, bar in MIN_DICE.items() if not dice[name] > bar} == set(), dice


def test_the_downloaded_translator_translates_a_scan_of_a_virtual_patient(predictions, phantom):
    (path,) = predictions[TRANSLATOR.name].glob("*.nii.gz")
    scan, translation = nib.load(phantom / "training_source" / path.name.replace("hrT2", "ceT1")), nib.load(path)
    voxels = np.asarray(translation.dataobj)
    assert translation.shape == scan.shape
    np.testing.assert_allclose(translation.affine, scan.affine, atol=1e-5)
    assert voxels.min() >= 0
    assert voxels.max() <= 1
    assert voxels.std() > 0.01


LOAD = """
import json, sys, torch, monai.bundle
from monai.bundle.scripts import create_workflow
from monai.data import load_net_with_metadata

name, shape, scans, output = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
network = monai.bundle.load(name, bundle_dir="..", workflow_type="inference", device="cpu").eval()
weights = torch.load("models/model.pt", weights_only=True)
assert all(torch.equal(weights[key], value) for key, value in network.state_dict().items())
image = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
for labels in image[:, 1:]:  # of the translator
    labels.zero_()
    labels[..., 30:50, 30:60], labels[..., 10:16, 10:18] = 1, 2
scripted, metadata, _ = load_net_with_metadata("models/model.ts")
with torch.no_grad():
    inputs = (image, torch.ones(len(image), dtype=torch.long)) if name == "tanq_translation" else (image,)
    difference = (network(*inputs) - scripted(*inputs)).abs().max().item()
workflow = create_workflow(config_file="configs/inference.json", workflow_type="inference", dataset_dir=scans,
                           output_dir=output)
assert workflow.check_properties() == []
workflow.run()
workflow.finalize()
print(json.dumps([difference, metadata["version"]]))
"""


@both
def test_monai_loads_the_downloaded_bundle_and_its_workflow_gives_the_same_files(
    published, downloaded, phantom, predictions, tmp_path
):
    shape = [2, 2, 96, 128] if published is TRANSLATOR else [2, 1, 96, 128]
    scans, output = one_patient(phantom / published.scans, tmp_path / "scans"), tmp_path / "output"
    words = [published.name, json.dumps(shape), str(scans), str(output)]
    *_, last = stranger(published, ["-c", LOAD, *words], downloaded / published.name).splitlines()
    difference, told = json.loads(last)
    assert difference < 1e-4
    assert told == version(published.name)
    (made,) = output.glob("*.nii.gz")
    np.testing.assert_array_equal(voxels_of(made), voxels_of(predictions[published.name] / made.name))


@both
def test_fetch_takes_what_monai_downloads_and_no_run_has_changed_it(published, zoo, downloaded, predictions, tmp_path):
    """So that whoever fetched a bundle gets what ``predictions`` are. TorchScript, a program of its own, stays out."""
    words = ["fetch", published.name, "--zoo", zoo, "--output-dir", str(tmp_path)]
    (folder,) = checked([sys.executable, "-m", "tanq_monai", *words], tmp_path).splitlines()
    fetched, run_before = snapshot(Path(folder)), snapshot(downloaded / published.name)
    del fetched["installed.json"]
    assert {name: run_before[name] for name in fetched} == fetched
    others = {name for name in run_before if name not in fetched and "__pycache__" not in name}
    assert others == {"models/model.ts"}


CHECKS = """
import os, sys, unittest, torch

name, output = sys.argv[1:]
bundle = os.path.join("models", name)
sys.path[:0] = [bundle, os.path.join("ci", "unit_tests")]
from monai.bundle import ckpt_export, verify_net_in_out
from tanq_monai.deploy.bundle_network import read_network

metadata, config = (os.path.join(bundle, "configs", file) for file in ("metadata.json", "inference.yaml"))
shared = {"net_id": "network_def", "meta_file": metadata, "config_file": config, "bundle_root": bundle}
verify_net_in_out(**shared)
image = torch.rand([3, 2, 96, 128] if name == "tanq_translation" else [3, 1, 96, 128])
for labels in image[:, 1:]:
    labels.zero_()
    labels[..., 30:50, 30:60], labels[..., 10:16, 10:18] = 1, 2
for way in (False, True):
    path = os.path.join(output, f"traced_{way}.ts")
    ckpt_export(filepath=path, ckpt_file=os.path.join(bundle, "models", "model.pt"), use_trace=way, **shared)
with torch.no_grad():
    scripted = torch.jit.load(os.path.join(output, "traced_False.ts"))
    assert (read_network(bundle)(image) - scripted(image)).abs().max() < 1e-4
unittest.main(module=f"test_{name}", argv=["unittest"])
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What a pull request to MONAI's model zoo would add to a checkout of it."""
    folder = tmp_path_factory.mktemp("model_zoo")
    checked([sys.executable, "scripts/other_zoos.py", "model_zoo", "--output", str(folder)], cwd=ROOT)
    return folder


@both
def test_the_checks_of_monais_model_zoo_pass_and_the_unit_tests_that_it_is_given(published, checkout, tmp_path):
    stranger(published, ["-c", CHECKS, published.name, str(tmp_path)], checkout)


@pytest.fixture(scope="module")
def typed(zoo, phantom, downloaded, tmp_path_factory):
    """Every command of the document, typed one after the other: the folder, their names, seconds of processors of each.

    ``python`` is that of this repository, and, for MONAI's commands, that of the stranger; ZOO was packed before.
    """
    place = tmp_path_factory.mktemp("typed")
    text = (ROOT / "docs" / "zoo.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    made = place / "bundles" / f"{SEGMENTER.name}_v{version(SEGMENTER.name)}"
    told = {"ZOO": zoo, "IMAGES": str(phantom / "validation"), "OUT": str(place / "OUT"), "BUNDLE": str(made)}
    told |= {f"bundles/{made.name}": str(made)}
    seconds = {}
    for block in blocks:
        folder = place
        for line in block.replace("\\\n", " ").splitlines():
            words = [told.get(word, word.replace("ZOO/", f"{zoo}/")) for word in line.split()]
            if words[0] == "cd":
                folder = Path(words[1])
            elif words[1].endswith(".py"):
                assert words == ["python", *PACKAGING, "zoo/"]
            else:
                used = seconds_of_processors()
                if words[2].startswith("monai"):
                    stranger(SEGMENTER, words[1:], folder)
                else:
                    for left in list(made.rglob("__pycache__")):  # by the run before, as the document says
                        shutil.rmtree(left)
                    checked([sys.executable, *words[1:]], folder)
                seconds[words[3]] = seconds_of_processors() - used
    return place, seconds


def test_the_commands_of_the_document_run_as_they_stand(typed, predictions):
    place, seconds = typed
    assert list(seconds) == ["fetch", "run", "download", "audit"]
    assert_same_volumes(place / "OUT", predictions[SEGMENTER.name])


def test_from_fetch_to_two_segmentations_takes_less_than_a_minute_of_processors(typed):
    _, seconds = typed
    assert seconds["fetch"] + seconds["run"] < MAX_SECONDS


def seconds_of_processors():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def one_patient(scans, folder):
    """``folder`` with the scans of the first patient."""
    folder.mkdir()
    first = min(path.name for path in scans.glob("[!.]*.nii.gz")).rpartition("_")[0]
    for path in scans.glob(f"{first}_*"):
        (folder / path.name).symlink_to(path)
    return folder


def voxels_of(path):
    return np.asarray(nib.load(path).dataobj)


def assert_same_volumes(folder, expected):
    names = sorted(path.name for path in folder.glob("*.nii.gz"))
    assert names == sorted(path.name for path in expected.glob("*.nii.gz"))
    for name in names:
        np.testing.assert_array_equal(voxels_of(folder / name), voxels_of(expected / name))
