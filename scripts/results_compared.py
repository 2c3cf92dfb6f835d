"""Folders of results: which files are damaged, and where two folders that should hold the same do not.

What two runs of one command may differ in is written down in :data:`SKIPPED` and :func:`_plain`, with the reason.
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import blosc2
import nibabel as nib
import numpy as np
import onnx
import pandas as pd
import torch

from tanq_monai.claims import is_claimed
from tanq_monai.segmentation.training.checkpoints import read_checkpoint
from tanq_monai.weights import read_saved

SKIPPED = {
    r"events\.out\.tfevents\..*": "TensorBoard's, whose names and rows hold times",
    r"training_log_.*\.txt": "nnU-Net's log, whose name and lines hold times",
    r"nnunet\.log": "a log",
    r"debug\.json": "nnU-Net's, of which machine and process",
    r"progress\.png": "nnU-Net's, of times",
    r"prepared\.json": "a training's stamps of the files that it has read, which are times",
}
TIMES = ("date", "seconds", "reads", "writes")  # of provenance.json and of a step's record: stamps of files are times
CURVES_OF_TIME = ("epoch_start_timestamps", "epoch_end_timestamps")  # in the curves of nnU-Net's checkpoints
# What nnU-Net itself writes, in place: killed meanwhile it makes all of it again.
NNUNETS = re.compile(r"(^|/)(nnUNet_preprocessed|validation|crossval_results[^/]*|ensembles)/")


def final_files(folder: Path) -> Iterator[Path]:
    """Everything that has a name of its own: not what is being written, or was when its writer was killed."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(map(is_claimed, (path, *path.relative_to(folder).parents))):
            yield path


def left_over(folder: Path) -> list[str]:
    """What writers that were killed have left: files under temporary names, and locks."""
    names = [path for path in folder.rglob("*") if is_claimed(path) or path.suffix == ".lock"]
    return sorted(path.relative_to(folder).as_posix() for path in names)


def damaged(folder: Path) -> tuple[int, dict[str, str]]:
    """How many files were opened to their end, and what is wrong with those that could not be, by name."""
    opened, wrong = 0, {}
    for path in final_files(folder):
        read = READERS.get(_ending(path))
        if read is not None:
            opened += 1
            if told := _fails(read, path):
                wrong[path.relative_to(folder).as_posix()] = told
    return opened, wrong


def _fails(read: Callable[[Path], Any], path: Path) -> str:
    """What a reader says of a file that is not whole; nothing of another one."""
    try:
        read(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def differences(expected: Path, found: Path) -> list[str]:
    """A line for every file that is in one of two folders alone, or not the same in both.

    Bytes are compared; where these differ, what the file holds: every bit of every weight and voxel, and JSON and
    tables without what tells of times.
    """
    files = [{path.relative_to(root).as_posix(): path for path in final_files(root)} for root in (expected, found)]
    names = sorted(name for name in files[0].keys() | files[1].keys() if not _is_skipped(name))
    lines = []
    for name in names:
        one, other = (part.get(name) for part in files)
        if one is None or other is None:
            lines.append(f"{name}: {'is not there' if other is None else 'is there besides'}")
        elif one.read_bytes() != other.read_bytes() and not _hold_the_same(one, other, expected, found):
            lines.append(f"{name}: is another one")
    return lines


def _is_skipped(name: str) -> bool:
    return any(re.fullmatch(pattern, Path(name).name) for pattern in SKIPPED) or name.endswith(".lock")


def _ending(path: Path) -> str:
    return ".nii.gz" if path.name.endswith(".nii.gz") else path.suffix


def _hold_the_same(one: Path, other: Path, root: Path, other_root: Path) -> bool:
    read = READERS.get(_ending(one))
    if one.name.endswith(".sha256"):
        return set(one.read_text().splitlines()) == set(other.read_text().splitlines())
    if read is None or any(_fails(read, path) for path in (one, other)):
        return False
    return same(_plain(read(one), root), _plain(read(other), other_root))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, to the last bit of what they hold; NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and same(one.contiguous().numpy(), other.contiguous().numpy())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)  # NaN is not equal to itself


def _plain(value: Any, root: Path) -> Any:
    """Without times; paths below ``root`` as paths below any other."""
    if isinstance(value, Mapping):
        left_out = TIMES + CURVES_OF_TIME
        return {key: _plain(one, root) for key, one in value.items() if key not in left_out}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one, root) for one in value)
    return value.replace(str(root), "ROOT") if isinstance(value, str) else value


def _read_volume(path: Path) -> list[Any]:
    image = nib.load(path)
    return [image.header.binaryblock, np.asanyarray(image.dataobj)]


def _read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}  # which checks every sum


def _read_table(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pd.read_csv(path).to_dict("list")
    return columns


def _read_blosc2(path: Path) -> Any:
    return blosc2.open(str(path), mode="r")[:]


READERS: Mapping[str, Callable[[Path], Any]] = {
    ".pt": read_saved,
    ".pth": read_checkpoint,
    ".nii.gz": _read_volume,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": _read_table,
    ".zip": _read_zip,
    ".npz": _read_zip,
    ".npy": np.load,
    ".b2nd": _read_blosc2,
    ".onnx": lambda path: onnx.load(path, load_external_data=False).SerializeToString(),
}
"""How a file is read to its end, by the ending of its name."""
