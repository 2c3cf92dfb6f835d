"""Weights from disk."""

import contextlib
import hashlib
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeGuard, cast

import torch
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.files import replacing

# What torch and pickle raise for files that are cut off, altered, or of something else.
UNREADABLE = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(OverflowError, MemoryError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error),
)
REMEDY = "give the file of a training with the same choices"


def load_weights(network: nn.Module, model_file: str | Path) -> nn.Module:
    """``network`` with the weights of ``model_file``, a plain state dict.

    Raises:
        InputError: when the file is missing, no state dict, or of another network.
    """
    return fill(network, read_state_dict(Path(model_file)), model_file)


def started_from(network: nn.Module, folder: str | Path | None, name: str, required: bool = True) -> nn.Module:
    """``network`` with the weights that an earlier training left in its ``models`` folder.

    A training of other styles serves as well: each of the network's starts from the mean of those.

    Args:
        network: a generator, a discriminator or a projector.
        folder: of the models; None: ``network`` stays as it is.
        name: of the file in it.
        required: else ``network`` stays as it is where there is no such file: earlier trainings kept a generator alone.

    Raises:
        InputError: as in :func:`load_weights`.
    """
    if folder is None or not (required or (Path(folder) / name).is_file()):
        return network
    file, expected = Path(folder) / name, network.state_dict()
    weights = read_state_dict(file)
    for key in getattr(network, "by_style", ()):
        if key in weights and weights[key].shape[1:] == expected[key].shape[1:]:
            weights[key] = _for_styles(weights[key], len(expected[key]))
    return fill(network, weights, file)


def fill(network: nn.Module, weights: Mapping[str, torch.Tensor], model_file: str | Path) -> nn.Module:
    """``network`` with other weights, each of its own under its name.

    Raises:
        InputError: naming ``model_file`` when they are of another network, or hold NaN or infinity.
    """
    given = {name: value.shape for name, value in weights.items()}
    expected = {name: value.shape for name, value in network.state_dict().items()}
    wrong = sorted(name for name in given.keys() | expected.keys() if given.get(name) != expected.get(name))
    if wrong:
        problem = f"does not fit the network: {len(wrong)} weights differ, the first is {wrong[0]}"
        raise InputError(model_file, problem, REMEDY)
    for name, expected_weight in network.state_dict().items():
        _check(weights[name], expected_weight.is_floating_point(), name, model_file)
    network.load_state_dict(weights)
    return network


def first_names(network: nn.Module) -> dict[str, str]:
    """For every name in a network's state dict the first one of the same tensor: nnU-Net's names some three times."""
    first: dict[tuple[int, torch.Size], str] = {}
    return {name: first.setdefault((w.data_ptr(), w.shape), name) for name, w in network.state_dict().items()}


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name, which torch reads without calling anything else.

    Raises:
        InputError: when the file is missing, or no state dict.
    """
    weights = _read(path, "is no state dict of torch.save")
    if not _is_state_dict(weights):
        raise InputError(path, "is no state dict: it holds other things than tensors by name", REMEDY)
    return weights


def read_saved(path: str | Path, device: torch.device | str = "cpu") -> Any:
    """What ``torch.save`` wrote, data alone. A byte that changed since is an error, which ``torch.load`` passes over.

    Raises:
        UNREADABLE: any of these.
    """
    if zipfile.is_zipfile(path):  # all that torch has written since 1.6
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} has another checksum")
    return torch.load(path, map_location=device, weights_only=True)


@contextlib.contextmanager
def saving(path: str | Path) -> Iterator[IO[bytes]]:
    """What ``torch.save`` writes to, as :func:`tanq_monai.files.replacing`.

    torch writes zip archives in C++, which hides why a file cannot be written, and may end the process for it. It is
    told that all is written, and the first error comes when the ``with`` block has ended.

    Raises:
        InputError: as :func:`tanq_monai.files.replacing`; what was at ``path`` is still there.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        stream = _Untroubled(file)
        yield cast(IO[bytes], stream)
        if stream.error is not None:
            raise stream.error


class _Untroubled(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.error = file, cast(OSError | None, None)

    def write(self, part: Any) -> int:
        """All of ``part``, as far as the caller knows."""
        if self.error is None:
            try:
                self.file.write(part)
            except OSError as error:
                self.error = error
        return memoryview(part).nbytes


def digest(network: nn.Module) -> str:
    """SHA-256 of the names, shapes and values of a network's weights, wherever and in whatever layout they lie."""
    total = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        total.update(weight.detach().cpu().contiguous().numpy().data)
    return total.hexdigest()


def check_finite(weights: Mapping[str, Any], file: str | Path) -> None:
    """Raise :class:`InputError` for the first of some weights, by name, that holds NaN or infinity."""
    name = not_finite(weights)
    if name is not None:
        problem = f"holds {name} with NaN or infinity: its training failed, or the file is damaged"
        raise InputError(file, problem, "train anew with a lower learning_rate, or copy it again")


def not_finite(weights: Mapping[str, Any]) -> str | None:
    """The name of the first of some weights that holds NaN or infinity."""
    for name, weight in weights.items():
        if isinstance(weight, torch.Tensor) and weight.is_floating_point() and not weight.isfinite().all():
            return name
    return None


def _for_styles(weight: torch.Tensor, number: int) -> torch.Tensor:
    """A weight (styles, ...) for another number of styles: the mean for each; as it is for the same number."""
    if len(weight) in (0, number) or not weight.is_floating_point():
        return weight
    return weight.mean(dim=0, keepdim=True).expand(number, *weight.shape[1:]).clone()


def _check(weight: torch.Tensor, is_float: bool, name: str, model_file: str | Path) -> None:
    """Raise unless a weight is of numbers that a network can compute with."""
    is_plain = weight.layout is torch.strided and not (weight.is_quantized or weight.is_meta or weight.is_complex())
    if not is_plain or weight.is_floating_point() != is_float:
        problem = (
            f"does not fit the network: {name} is of {weight.dtype}, {'' if is_plain else 'and no plain tensor, '}"
        )
        raise InputError(model_file, f"{problem}not of {'floats' if is_float else 'whole numbers'}", REMEDY)
    check_finite({name: weight}, model_file)


def _is_state_dict(content: Any) -> TypeGuard[dict[str, torch.Tensor]]:
    return isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(weight, torch.Tensor) for name, weight in content.items()
    )


def _read(path: Path, problem: str) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(path, "is missing", "train first, or give the file of a training")
    try:
        content = read_saved(path)
    except UNREADABLE as error:
        raise InputError(path, problem, REMEDY) from error
    if not isinstance(content, dict):
        raise InputError(path, f"{problem}: it holds other things by name", REMEDY)
    return content
