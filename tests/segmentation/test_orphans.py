"""Workers of a training that is killed end with it."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import end, start

from tanq_monai.segmentation.training.batches import EpochLoader
from tanq_monai.segmentation.training.preparation import processes_or_threads

LONG = 60.0  # seconds that the work of a worker takes
SOON = 10.0  # within which it has ended, on a machine that is busy


class SlowStream:
    """Batches that take long, whose first one tells who makes it."""

    def __init__(self, folder):
        self.folder = folder

    def __next__(self):
        work_for_long(self.folder)
        return {}


def work_for_long(folder):
    (folder / str(os.getpid())).touch()
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        time.sleep(0.1)


def load(folder):
    multiprocessing.set_start_method("fork", force=True)  # as a program's own; here it is that of the test's server
    trainer = SimpleNamespace(current_epoch=0, dataloader_train=SlowStream(folder), seed=0)
    list(EpochLoader(trainer, 4, num_workers=2))


def prepare(folder):
    with processes_or_threads(2), multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(work_for_long, [folder] * 4, chunksize=1)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="here nobody tells which processes are alive")
@pytest.mark.parametrize("work", [load, prepare])
def test_workers_end_soon_after_their_training_was_killed(tmp_path, work):
    training = start(work, tmp_path)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, seconds=200)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert all(map(is_alive, workers))
    os.kill(training.pid, signal.SIGKILL)
    assert end(training) == [-signal.SIGKILL]
    wait_until(lambda: not any(map(is_alive, workers)), SOON)
