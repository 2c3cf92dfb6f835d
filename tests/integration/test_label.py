"""MONAI Label's server with the segmenter, as docs/label.md has it: labels a scan, trains on labels, uses the result.

`make test-label` makes the server's environment and runs this. All commands and snippets are those of the document.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import nibabel as nib
import numpy as np
import package_zoo
import pytest
import torch
from bundle_workflow import BUNDLES
from typed import options, run_module

from tanq_monai.metrics.dice import dice
from tanq_monai.phantom import write_dataset

pytestmark = [pytest.mark.label, pytest.mark.timeout(900)]

ROOT = BUNDLES.parent
ENVIRONMENT = ROOT / ".venv-label"
MODEL = "vs_cochlea_seg"
BAR = {"VS": 0.6, "cochlea": 0.5}  # Dice of the shipped weights on a virtual patient of their own kind
STUDY, OTHER = "crossmoda2021_ldn_211_hrT2", "crossmoda2022_etz_210_hrT2"
SOURCE = "crossmoda2021_ldn_7_ceT1"
TRAINED_ON = {STUDY, "crossmoda2021_ldn_212_hrT2"}
START_SECONDS, TRAINING_SECONDS = 180, 400
# So that a training lasts seconds: what docs/label.md says may be chosen in the config.
SHORT = {"iterations_per_epoch": 3, "num_processes": 0}


def blocks(heading):
    """The code blocks of a section of the document."""
    section = (ROOT / "docs" / "label.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```\w*\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)


def environment():
    """As after `source .venv-label/bin/activate`."""
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PATH": path, "OMP_NUM_THREADS": "1"}


def output_of(command, folder, variables):
    """What a process prints that ends well."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(command, cwd=folder, env=variables, timeout=600, check=False, **pipes)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mark(bundle):
    """The bundle's copy of the package says in the log that it is the one which runs; trainings are short."""
    with (bundle / "tanq_monai" / "__init__.py").open("a") as file:
        file.write('\nprint("runs from", __file__, flush=True)\n')
    config = bundle / "configs" / "train.json"  # which MONAI Label takes before train.yaml
    config.write_text(json.dumps(json.loads(config.read_text()) | SHORT))


class Server:
    """A running MONAI Label server and the folder in which the commands of the document are typed."""

    def __init__(self, folder):
        self.folder = folder
        self.bundle = folder / "apps" / "monaibundle" / "model" / MODEL
        self.log = folder / "server.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self):
        """Run the document's command and wait for an answer."""
        (command,) = blocks("Start")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f"exec {self.here(command)}"],
                cwd=self.folder,
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        for _ in range(START_SECONDS):
            try:
                return self.get("/info/")
            except urllib.error.URLError:
                if self.process.poll() is not None:
                    break
                time.sleep(1)
        raise AssertionError(f"the server does not answer:\n{self.log.read_text()}")

    def stop(self):
        """End the server and what it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.is_running():
                os.killpg(self.process.pid, number)
                for _ in range(100):
                    if not self.is_running():
                        return
                    time.sleep(0.1)

    def is_running(self):
        return self.process.poll() is None

    def here(self, text):
        """What the document says of port 8000, for the port of this server."""
        return text.replace("8000", str(self.port))

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)

    def send(self, method, path, body=None):
        """The answer's bytes."""
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()

    def segment(self, study):
        """The label map of a study, by HTTP."""
        path = self.folder / "answer.nii.gz"
        path.write_bytes(self.send("POST", f"/infer/{MODEL}?image={study}&output=image"))
        return np.asarray(nib.load(path).dataobj)

    def snippet(self, heading):
        """What the document's Python of a section prints."""
        (text,) = blocks(heading)
        return self.python(self.here(text))

    def python(self, text):
        """What a program prints that has MONAI Label's client."""
        command = [ENVIRONMENT / "bin" / "python", "-c", text]
        return output_of(command, self.folder, environment())

    def finished_training(self):
        """The status of the training when it has ended."""
        for _ in range(TRAINING_SECONDS):
            status = self.get("/train/")
            if status["status"] not in ("SUBMITTED", "RUNNING"):
                return status
            time.sleep(1)
        raise AssertionError(f"the training does not end: {status}")

    def weights(self):
        return torch.load(self.bundle / "models" / "model.pt", weights_only=True)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server whose studies are three virtual patients."""
    folder = tmp_path_factory.mktemp("label")
    write_dataset(folder / "patients", num_source=0, num_target=0, num_test=3, size="small", seed=3)
    shutil.copytree(folder / "patients" / "validation", folder / "studies")
    (folder / "corrected").mkdir()
    for label in (folder / "patients" / "withheld_labels" / "validation").glob("[!.]*"):
        shutil.copyfile(label, folder / "corrected" / label.name.replace("_Label", "_hrT2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package_zoo, "EXPORTERS", {})  # MONAI Label takes neither TorchScript nor ONNX
        package_zoo.package_zoo(str(folder))
    subprocess.run(["bash", "-ec", blocks("Install")[1]], cwd=folder, env=environment(), check=True, timeout=300)
    server = Server(folder)
    mark(server.bundle)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(running):
    """The server; what it logs during a test is shown when the test fails."""
    before = running.log.stat().st_size
    yield running
    print(running.log.read_bytes()[before:].decode(errors="replace"))


def dice_of(label, server, study):
    truth = np.asarray(nib.load(server.folder / "corrected" / f"{study}.nii.gz").dataobj)
    return {name: dice(label == value, truth == value) for name, value in (("VS", 1), ("cochlea", 2))}


def labels_by_inference_yaml(server, folder, *studies):
    """What the bundle's inference writes by itself, in the environment of these tests, in float32 as torch there."""
    for study in studies:
        (folder / "scans").mkdir(exist_ok=True)
        (folder / "scans" / f"{study}.nii.gz").symlink_to(server.folder / "studies" / f"{study}.nii.gz")
    choices = {"dataset_dir": folder / "scans", "output_dir": folder / "labels", "device": "cpu", "amp": "false"}
    files = {"config_file": "configs/inference.yaml", "meta_file": "configs/metadata.json"}
    done = run_module("monai.bundle", ["run", *options(files | choices)], server.bundle)
    assert done.returncode == 0, done.stderr
    labels = {path.name.removesuffix("_Label.nii.gz"): path for path in (folder / "labels").glob("*_Label.nii.gz")}
    return {f"{case}_hrT2": np.asarray(nib.load(path).dataobj) for case, path in labels.items()}


def agree(one, other):
    """Same voxels, or a difference that rounding of another version of torch explains."""
    return all(dice(one == value, other == value) > 0.995 for value in (1, 2))


def test_the_server_names_the_segmenter_its_labels_and_its_studies(server):
    info = server.get("/info/")
    assert set(info["models"]) == set(info["trainers"]) == {MODEL}
    assert info["models"][MODEL]["labels"] == {"vs": 1, "cochlea": 2}
    assert info["labels"] == ["vs", "cochlea"]
    assert info["datastore"]["total"] == 3
    metadata = json.loads((BUNDLES / MODEL / "configs" / "metadata.json").read_text())
    assert info["models"][MODEL]["version"] == metadata["version"]


def test_the_copy_of_the_package_in_the_bundle_is_the_one_that_runs(server):
    assert f"runs from {server.bundle}/tanq_monai/__init__.py" in server.log.read_text()


def test_the_label_that_is_sent_back_lies_on_the_scan_and_finds_both_structures(server):
    server.snippet("Segment")
    label, scan = (nib.load(server.folder / name) for name in ("label.nii.gz", f"studies/{STUDY}.nii.gz"))
    assert label.shape == scan.shape
    assert label.get_data_dtype() == np.uint8
    np.testing.assert_allclose(label.affine, scan.affine, atol=1e-5)
    found = dice_of(np.asarray(label.dataobj), server, STUDY)
    assert all(found[name] > bar for name, bar in BAR.items()), found


def test_the_labels_are_those_of_the_bundles_own_inference(server, tmp_path):
    expected = labels_by_inference_yaml(server, tmp_path, STUDY, OTHER)
    assert set(expected) == {STUDY, OTHER}
    assert all(agree(server.segment(study), label) for study, label in expected.items())


def test_a_study_that_is_no_hrt2_by_its_name_gets_no_label_and_the_log_says_why(server):
    upload = f"MONAILabelClient('http://127.0.0.1:{server.port}').upload_image('studies/{STUDY}.nii.gz', '{SOURCE}')"
    server.python(f"from monailabel.client import MONAILabelClient; {upload}")
    try:
        with pytest.raises(urllib.error.HTTPError, match="500"):
            server.segment(SOURCE)
    finally:
        server.send("DELETE", f"/datastore/?id={SOURCE}")
    told = f"studies/{SOURCE}.nii.gz: is no hrT2 by its name; give hrT2, or its right name to a file of it"
    assert f"tanq_monai.errors.InputError: {server.folder}/{told}" in server.log.read_text().splitlines()
    assert server.segment(STUDY).any()


def test_a_label_that_cannot_be_used_ends_the_training_in_one_line_and_changes_nothing(server):
    before = (server.bundle / "models" / "model.pt").read_bytes()
    scan = nib.load(server.folder / "studies" / f"{OTHER}.nii.gz")
    nib.save(nib.Nifti1Image(np.full(scan.shape, 7, np.uint8), scan.affine), server.folder / "seven.nii.gz")
    save = f"MONAILabelClient('http://127.0.0.1:{server.port}').save_label('{OTHER}', 'seven.nii.gz', tag='final')"
    server.python(f"from monailabel.client import MONAILabelClient; {save}")
    server.send("POST", f"/train/{MODEL}", {"max_epochs": 1, "val_split": 0})
    status = server.finished_training()
    server.send("DELETE", f"/datastore/label?id={OTHER}&tag=final")
    assert status["status"] == "ERROR"
    assert f"{OTHER}.nii.gz: holds unknown label 7" in status["details"][-1]
    assert (server.bundle / "models" / "model.pt").read_bytes() == before
    assert server.is_running()


def test_training_on_saved_labels_begins_with_the_model_and_replaces_it_for_the_next_label(server, tmp_path):
    first, weights = server.segment(OTHER), server.weights()
    assert server.snippet("Train").strip() == "DONE", server.get("/train/")["details"]
    assert server.is_running()
    trained = server.weights()
    assert trained.keys() == weights.keys()
    assert not any(torch.equal(trained[key], weights[key]) for key in weights if key.endswith("conv.weight"))
    (run,) = (server.bundle / "runs" / "fine_tune").iterdir()
    (dataset,) = run.glob("nnUNet_raw/*/dataset.json")
    assert set(json.loads(dataset.read_text())["dataset"]) == TRAINED_ON

    label = server.segment(OTHER)
    assert (label != first).any()
    assert dice_of(label, server, OTHER)["VS"] > 0.3  # a few steps from fresh weights find nothing
    assert agree(label, labels_by_inference_yaml(server, tmp_path, OTHER)[OTHER])


def test_a_training_as_the_viewers_ask_for_it_ends_well(server):
    options = server.get("/info/")["trainers"][MODEL]["config"]  # Slicer sends all of them, "run_id": "" among them
    server.send("POST", f"/train/{MODEL}", options | {"max_epochs": 1})
    status = server.finished_training()
    assert status["status"] == "DONE", status["details"]
