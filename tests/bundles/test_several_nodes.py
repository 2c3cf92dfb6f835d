"""Both bundles trained by two nodes, as torchrun starts them: a process or a node is lost, and nothing of the result.

The nodes are two agents of torchrun on the loopback address, with a process each.
"""

import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import processes
import pytest
import torch
from bundle_workflow import BUNDLES
from torch.distributed import run as torchrun
from typed import FILES, options, run_bundle

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="here nobody tells who is which rank")
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # see docs/nodes.md
}
OVERLAY = "multi_gpu_train"
PATIENCE = 200.0  # seconds, on a machine that is busy


@dataclass(frozen=True)
class Training:
    """A training of a second or two.

    Attributes:
        bundle: its name.
        checkpoint: in the output folder, from which it goes on.
        model: in the output folder, when it has ended.
        choices: of it.
        source: folder of its scans in the phantom.
    """

    bundle: str
    checkpoint: str
    model: str
    choices: dict
    source: str = ""

    def of(self, phantom, output):
        """All choices."""
        return self.choices | {"dataset_dir": str(phantom / self.source), "output_dir": str(output)}


TRANSLATOR = Training(
    "tanq_translation",
    "checkpoint.pt",
    "models/model.pt",
    {"start_from": None, "pixels": 64, "pixel_mm": 1.4, "crop": 32, "slab_mm": 12.0, "width": 4, "blocks": 2}
    | {"max_epochs": 1, "batch_size": 2, "checkpoint_minutes": 0.0, "amp": False},
)
SEGMENTER = Training(
    "vs_cochlea_seg",
    "nnUNet_results/Dataset001_VSCochlea/nnUNetTrainer__nnUNetPlans__2d/fold_all/checkpoint_latest.pth",
    "models/2d_fold_all/model.pt",
    {"configuration": "2d", "max_epochs": 6, "iterations_per_epoch": 1, "num_processes": 0, "batch_size": 2}
    | {"plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]}, "amp": False},
    "training_source",
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def train_as_rank(bundle, choices):
    done = run_bundle(bundle, "train", OVERLAY, **choices)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def undisturbed(slow, tiny_phantom, tmp_path_factory):
    """The weights that two ranks train whom nobody disturbs, by training; each is done when it is first asked for."""
    done = {}

    def weights_of(training):
        if training.bundle not in done:
            output = tmp_path_factory.mktemp(training.bundle)
            shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
            arguments = train_as_rank, training.bundle, training.of(tiny_phantom, output)
            ranks = [processes.start(*arguments, RANK=rank, **shared, **ENVIRONMENT) for rank in ("0", "1")]
            assert processes.end(*ranks) == [0, 0]
            done[training.bundle] = torch.load(output / training.model, weights_only=True)
        return done[training.bundle]

    return weights_of


def run_agent(bundle, words, log):
    """What ``torchrun`` does, in a process that has imported torch already."""
    os.chdir(BUNDLES / bundle)
    with log.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    torchrun.main(words)


@pytest.fixture
def start_node(tmp_path):
    """Starts a node of a training, the first one where all meet; in the end all of them are gone."""
    running, port = [], free_port()

    def start(training, choices):
        meeting = {"is_host": int(not running), "keep_alive_interval": 1, "keep_alive_max_attempt": 3}
        agent = {"nnodes": 2, "nproc-per-node": 1, "max-restarts": 3, "rdzv-backend": "c10d", "rdzv-id": "run"}
        agent |= {"rdzv-endpoint": f"127.0.0.1:{port}", "local-addr": "127.0.0.1", "monitor-interval": 0.1}
        agent |= {"rdzv-conf": ",".join(f"{name}={value}" for name, value in meeting.items())}
        run = {"config_file": ["configs/train.yaml", f"configs/{OVERLAY}.yaml"]} | FILES | choices
        words = [*options(agent), "-m", "monai.bundle", "run", *options(run)]
        log = tmp_path / f"node_{len(running)}.log"
        running.append(processes.start(run_agent, training.bundle, words, log, **ENVIRONMENT))
        return running[-1]

    yield start
    for node in running:
        lose(node)


def lose(node):
    """A machine is gone, with all that runs on it."""
    for pid in (*workers_of(node).values(), node.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    processes.end(node)


def workers_of(*nodes):
    """Numbers of the processes that the agents have started, by rank."""
    agents, found = [node.pid for node in nodes], {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "environ").read_bytes().split(b"\0") if parent in agents else []
        except OSError:
            continue
        found |= {int(word[5:]): int(folder.name) for word in words if word.startswith(b"RANK=")}
    return found


def wait_until(condition, *nodes):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        assert all(node.is_alive() for node in nodes)
        time.sleep(0.01)


def lose_worker(start, training, choices, pair):
    """Of the rank that writes. Its node's agent replaces it, and the other node's follows."""
    os.kill(workers_of(*pair)[0], signal.SIGKILL)
    return pair


def lose_node(start, training, choices, pair):
    """The one that is not the meeting place; another one is started in its stead."""
    lose(pair[1])
    return pair[0], start(training, choices)


@pytest.mark.parametrize(
    ("training", "lost"),
    [(TRANSLATOR, lose_worker), (SEGMENTER, lose_worker), (SEGMENTER, lose_node)],
    ids=["translator-process", "segmenter-process", "segmenter-machine"],
)
def test_a_training_of_two_nodes_goes_on_from_its_checkpoint_to_the_same_bits(
    tiny_phantom, tmp_path, undisturbed, start_node, training, lost
):
    output = tmp_path / "run"
    choices = training.of(tiny_phantom, output)
    pair = start_node(training, choices), start_node(training, choices)
    wait_until((output / training.checkpoint).exists, *pair)
    first = workers_of(*pair)
    pair = lost(start_node, training, choices, pair)
    assert first.keys() == {0, 1}
    assert not (output / training.model).exists()
    wait_until(lambda: len(set(workers_of(*pair).values()) - set(first.values())) == 2, *pair)
    assert processes.end(*pair) == [0, 0]
    weights, expected = torch.load(output / training.model, weights_only=True), undisturbed(training)
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(weights[name], value), name
