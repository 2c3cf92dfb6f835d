"""A disk that is full: one line that names the file, and nothing half written."""

import resource
import zipfile

import numpy as np
import pytest
import torch
from small_disk import on_small_disk

from tanq_monai.deploy.archives import write_zip
from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.files import replacing, write_json
from tanq_monai.scans.grid import in_scanner
from tanq_monai.segmentation.training.engine import NnUNetEngine
from tanq_monai.trainers.checkpoint import save_atomically
from tanq_monai.weights import saving

NOISE = np.random.default_rng(0).random((64, 64, 64))  # 2 MB, which no compression makes small


def save_array(folder):
    with replacing(folder / "slices.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, NOISE)


def train_segmenter(folder):
    from segmentation.test_engine import BATCH, FakeNnUNet

    nnunet = FakeNnUNet(folder, 1.0)
    torch.nn.Module.register_buffer(nnunet.network, "more", torch.from_numpy(NOISE))
    NnUNetEngine(nnunet, [BATCH], max_epochs=1, model_dir=folder / "models").run()


WRITERS = {
    "checkpoint.pt": lambda folder: save_atomically({"a": torch.from_numpy(NOISE)}, folder / "checkpoint.pt"),
    "checkpoint_latest.pth": train_segmenter,
    "slices.npy": save_array,
    "case_Label.nii.gz": lambda folder: in_scanner(NOISE.shape, np.eye(4)).save(NOISE, folder / "case_Label.nii.gz"),
    "bundle.zip": lambda folder: write_zip(folder / "bundle.zip", {"a": NOISE.tobytes()}),
    "rows.json": lambda folder: write_json(NOISE.tolist(), folder / "rows.json"),
}


def write_all(disk):
    """What is told of each writer, and what lies there afterwards."""
    told = {}
    for name, write in WRITERS.items():
        try:
            write(disk)
        except Exception as error:
            told[name] = [str(mistake_behind(error)), sorted(path.name for path in disk.rglob("*") if path.is_file())]
    return told


@pytest.mark.slow
def test_whatever_is_written_to_a_full_disk_is_told_in_one_line_and_nothing_stays_of_it(tmp_path):
    told = on_small_disk(write_all, tmp_path, kilobytes=300)
    assert told.keys() == WRITERS.keys()
    for name, (line, left) in told.items():
        assert f"/{name}: cannot be written (" in line, line
        assert line.endswith("; make room and start again"), line
        assert not [file for file in left if file.endswith(("claim", name)) or "writing-" in file], left


@pytest.mark.parametrize("size", [0, 30, 100, 700, 5000, 800_600, 801_500, 1_601_200, 1_601_500])
def test_wherever_a_file_of_torch_breaks_off_it_is_told_with_its_name(tmp_path, size):
    """At some of these torch's own writer hides the reason, and TorchScript's ends the process."""
    path = tmp_path / "checkpoint.pt"
    path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        told = r"checkpoint\.pt: cannot be written \(File too large\); make room and start again"
        with pytest.raises(InputError, match=told), saving(path) as stream:
            torch.save({"a": torch.zeros(200_000), "b": torch.zeros(200_000)}, stream)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_what_is_saved_is_what_torch_writes_by_itself(tmp_path):
    content = {"a": torch.arange(10.0), "b": [1, {"c": torch.zeros(2, 3)}]}
    torch.save(content, tmp_path / "archive.pt")
    with saving(tmp_path / "new" / "archive.pt") as stream:
        torch.save(content, stream)
    parts = []
    for path in (tmp_path / "archive.pt", tmp_path / "new" / "archive.pt"):
        with zipfile.ZipFile(path) as archive:
            parts.append({name: archive.read(name) for name in archive.namelist() if "serialization_id" not in name})
    assert parts[0] == parts[1]
