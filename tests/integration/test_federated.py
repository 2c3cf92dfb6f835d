"""Two hospitals and a server of NVIDIA FLARE on this machine, with certificates, as docs/federated.md has it.

`make test-federated` makes the environment and runs this. All commands and files are those of the document.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from federated.sites import LONDON, TILBURG, labelled_scans, site_choices, small_segmenter, write_choices

from tanq_monai.federated.exchange import Training, weights_of
from tanq_monai.federated.rounds import run_rounds
from tanq_monai.federated.site import Site
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.steps import BUNDLES
from tanq_monai.weights import load_weights

pytestmark = [pytest.mark.federated, pytest.mark.timeout(900)]

ROOT = BUNDLES.parent
ENVIRONMENT = ROOT / ".venv-federated"
SERVER, CONNECTED = "localhost", "Connected to server"
TRAINING = Training(num_rounds=2, iterations_per_epoch=2, batch_size=2, learning_rate=0.01)
PROJECT, PROVISION, START, FEDERATE = "api_version", "nvflare provision", "bash london", "tanq-monai federate"


def block(begin):
    """The code block of the document that begins so."""
    found = re.findall(r"^```\w*\n(.*?)^```", (ROOT / "docs" / "federated.md").read_text(), flags=re.M | re.S)
    (text,) = (one for one in found if one.startswith(begin))
    return text


def environment():
    """As after `source .venv-federated/bin/activate`."""
    path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONWARNINGS")}
    return own | {"PATH": path, "OMP_NUM_THREADS": "1"}


def typed(command, folder):
    """What a command of the document leaves, all options as they stand there but those of the test."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, done.stdout, done.stderr


def federate(folder):
    choices = vars(TRAINING).items()
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in choices)
    return typed(f"{block(FEDERATE).strip()} {options}", folder)


@pytest.fixture(scope="module")
def kits(tmp_path_factory):
    """The folder of the startup kits, made by the document's project on a free port of this machine."""
    folder = tmp_path_factory.mktemp("federation")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    project = block(PROJECT).replace("server.example.org", SERVER).replace("8002", str(port))
    (folder / "project.yml").write_text(project)
    code, _, errors = typed(block(PROVISION), folder)
    assert code == 0, errors
    return folder / "kits" / "vs" / "prod_00"


@pytest.fixture(scope="module")
def hospitals(kits, tiny_phantom):
    """Server and sites with their own choices; the scans of each."""
    root = kits.parents[2]
    small_segmenter(root / "model")
    write_choices(
        kits / SERVER / "local" / "segmenter.json",
        {"output_dir": str(root / "rounds"), "model_dir": str(root / "model")},
    )
    scans = {site: labelled_scans(tiny_phantom, site, root / "data" / site) for site in (LONDON, TILBURG)}
    for site, folder in scans.items():
        write_choices(kits / site / "local" / "segmenter.json", site_choices(root / site, folder))
    return scans


@pytest.fixture
def servers(kits, hospitals):
    """All three are running; what they have said lies in their logs."""
    running = []
    try:
        for name, words in {SERVER: "Server started", LONDON: CONNECTED, TILBURG: CONNECTED}.items():
            # What start.sh leaves behind: it starts a client again that did not reach the server in its 15 s.
            command = block(START).strip().replace(f"{LONDON}/startup/start.sh", f"{name}/startup/sub_start.sh")
            log = kits / f"{name}.log"
            with log.open("wb") as said:
                process = subprocess.Popen(
                    ["bash", "-c", f"exec {command}"],
                    cwd=kits,
                    env=environment(),
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
            running.append(process)
            while words not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
        for pid in _left_of(kits):  # a job has a process of its own at each of them
            os.kill(pid, signal.SIGKILL)


def test_a_server_that_is_not_there_is_told_in_one_line(kits):
    code, output, errors = federate(kits.parents[2])
    assert (code, output) == (1, "")
    (line,) = (line for line in errors.splitlines() if line.startswith("error: "))
    assert re.match(r"error: localhost:\d+: does not answer as the server of this kit", line)
    assert "Traceback" not in errors


def test_kits_run_our_two_classes_and_no_code_of_a_job_and_keep_their_logs(kits):
    for name in (SERVER, LONDON, TILBURG):
        local = kits / name / "local"
        resources = json.loads((local / "resources.json.default").read_text())
        assert resources["class_list_enforcement_mode"] == "enforce"
        assert {one.rpartition(".")[0] for one in resources["class_allow_list"]} == {"tanq_monai.federated.flare"}
        assert resources["allow_log_streaming"] is False
        assert "site_log_streamer" not in {one["id"] for one in resources["components"]}
        permissions = json.loads((local / "authorization.json.default").read_text())["permissions"]
        assert [*permissions] == ["lead"]
        assert not {"byoc", "shell_commands"} & permissions["lead"].keys()


def test_two_hospitals_end_with_the_bits_of_the_same_rounds_in_one_process(kits, hospitals, servers, tmp_path):
    root = kits.parents[2]
    began = time.monotonic()
    code, output, errors = federate(root)
    said = "\n".join(f"{log.name}: {log.read_text()[-3000:]}" for log in sorted(kits.glob("*.log")))
    assert code == 0, f"{output}{errors}{said}"
    assert "waits for london, tilburg" in output

    sites = {name: Site(site_choices(tmp_path / name, folder), name) for name, folder in hospitals.items()}
    model = run_rounds(
        root / "model",
        tmp_path / "server",
        TRAINING,
        lambda one: {name: site.train(one) for name, site in sites.items()},
    )
    expected, found = weights(model), weights(root / "rounds" / "models")
    assert all(np.array_equal(found[name], value) for name, value in expected.items())
    assert not any(np.array_equal(weights(root / "model")[name], found[name]) for name in [*found][:1])
    names = {file.name.split("_hrT2")[0] for folder in hospitals.values() for file in folder.glob("*_hrT2*")}
    at_the_server = (kits / f"{SERVER}.log").read_text()
    assert names and not any(name in at_the_server for name in names), "the server has read the name of a case"
    print(f"a job of two rounds: {time.monotonic() - began:.0f} s")


def _left_of(kits):
    """Processes that were given a folder of these kits."""
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = status.read_text()
        except OSError:  # it has ended meanwhile
            continue
        if str(kits) in words:
            yield int(status.parent.name)


def weights(folder):
    network = network_from_plans(folder / "plans.json", folder / "dataset.json")
    return weights_of(load_weights(network, folder / "model.pt"))
