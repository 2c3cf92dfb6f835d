"""Mean and deviation of the features before every instance norm, over scans of the training's kind.

Instance norms keep none, so they are shipped beside the weights. N windows, C channels of a layer.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from tanq_monai.choices.documents import parse_json
from tanq_monai.errors import InputError
from tanq_monai.files import replacing, sha256_of
from tanq_monai.segmentation.inference.inferer import Network, pad_to

FILE = "source_statistics.json"
SLICES = 8  # of a scan that are looked at
_EPS = 1e-5  # of the norms, added to the variance
_DIGITS = 4  # of the numbers in the file
_REMEDY = "make it by scripts/source_statistics.py, or let test_time be null"


class Moments(NamedTuple):
    """Of one layer.

    Attributes:
        mean: (N, C), or (C,) of many windows.
        deviation: likewise.
    """

    mean: Tensor
    deviation: Tensor


@dataclass(frozen=True)
class SourceStatistics:
    """What the features of the training's scans are like.

    Attributes:
        layers: mean over windows of a window's own moments, (C,), of every instance norm in the network's order.
        windows: how many.
    """

    layers: tuple[Moments, ...]
    windows: int

    def distance(self, layers: Sequence[Moments]) -> Tensor:
        """The mean over layers of the mean absolute difference of means and of deviations, added: VPTTA's loss.

        Args:
            layers: of some windows, as :func:`watched` sees them.

        Raises:
            InputError: when they are of another network.
        """
        if [len(own.mean) for own in self.layers] != [one.mean.shape[1] for one in layers]:
            raise InputError(FILE, "is of another network than the weights beside it", _REMEDY)
        terms = [
            (one.mean - own.mean.to(one.mean)).abs().mean() + (one.deviation - own.deviation.to(one.mean)).abs().mean()
            for one, own in zip(layers, self.layers, strict=True)
        ]
        return torch.stack(terms).mean()


def middle_windows(volume: Tensor, window: Sequence[int]) -> Tensor:
    """The window (y, x) in the middle of slices, which sees both ears: (1, 1, n, y, x) -> (n, 1, y, x)."""
    padded, _ = pad_to(volume, window)
    starts = [(size - width) // 2 for size, width in zip(padded.shape[3:], window, strict=True)]
    (top, left), (height, width) = starts, window
    return padded[0, :, :, top : top + height, left : left + width].transpose(0, 1)


def spread_slices(volume: Tensor) -> Tensor:
    """The slices, at most eight, that are looked at: evenly spread over (1, 1, z, y, x), ends left out."""
    number = min(SLICES, volume.shape[2])
    places = (torch.arange(number) + 0.5) * volume.shape[2] / number
    return volume[:, :, places.long()]


def measure(network: nn.Module, volumes: Iterable[Tensor], window: Sequence[int]) -> SourceStatistics:
    """The statistics over the middle windows of eight slices of every scan.

    Args:
        network: of slices, with its weights.
        volumes: (1, 1, z, y, x), in the network's space.
        window: (y, x).

    Raises:
        InputError: for a network without instance norms, or no scan.
    """
    totals: list[Moments] = []
    windows = 0
    with watched(network) as seen, torch.no_grad():
        for volume in volumes:
            inputs = middle_windows(spread_slices(volume), window)
            network(inputs)
            sums = [Moments(one.mean.double().sum(0), one.deviation.double().sum(0)) for one in seen]
            totals = (
                [Moments(a.mean + b.mean, a.deviation + b.deviation) for a, b in zip(totals, sums, strict=True)]
                if totals
                else sums
            )
            windows += len(inputs)
    if not totals:
        raise InputError(FILE, "cannot be made: no scan, or no instance norm in the network", "give others")
    return SourceStatistics(tuple(Moments(mean / windows, dev / windows) for mean, dev in totals), windows)


@contextlib.contextmanager
def watched(network: Network) -> Iterator[list[Moments]]:
    """A list that holds, after every pass, the moments (N, C) of what came before each instance norm, in float32."""
    modules = network.modules() if isinstance(network, nn.Module) else ()
    norms = [module for module in modules if isinstance(module, _InstanceNorm)]
    seen: list[Moments] = []

    def note(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if module is norms[0]:
            seen.clear()
        seen.append(_moments(inputs[0]))

    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def write_statistics(statistics: SourceStatistics, model_dir: str | Path) -> Path:
    """``source_statistics.json`` beside ``model.pt``; it names the weights by the SHA-256 of that file."""
    path = Path(model_dir) / FILE
    layers = [json.dumps([_rounded(one.mean), _rounded(one.deviation)]) for one in statistics.layers]
    head = {"weights": sha256_of(path.with_name("model.pt")), "windows": statistics.windows}
    lines = ",\n  ".join(layers)
    with replacing(path) as temporary:
        temporary.write_text(f'{json.dumps(head)[:-1]},\n "layers": [\n  {lines}\n ]}}\n', encoding="utf-8")
    return path


def read_statistics(model_dir: str | Path) -> SourceStatistics:
    """What :func:`write_statistics` wrote.

    Raises:
        InputError: when it is missing, no such file, or of other weights than ``model.pt`` beside it.
    """
    path = Path(model_dir) / FILE
    if not path.is_file():
        raise InputError(path, "is missing, which test_time vptta compares a scan with", _REMEDY)
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        layers = tuple(Moments(*map(_vector, layer)) for layer in content["layers"])
        weights, windows = content["weights"], int(content["windows"])
        if not layers or any(len(one.mean) != len(one.deviation) for one in layers):
            raise ValueError("a layer lacks numbers")
    except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise InputError(path, f"holds no statistics of features ({error})", _REMEDY) from error
    if weights != sha256_of(path.with_name("model.pt")):
        raise InputError(path, "is of other weights than the model.pt beside it", _REMEDY)
    return SourceStatistics(layers, windows)


def _moments(features: Tensor) -> Moments:
    axes = tuple(range(2, features.ndim))
    variance, mean = torch.var_mean(features.float(), dim=axes, correction=0)
    return Moments(mean, (variance + _EPS).sqrt())  # of a flat map the root alone has no gradient


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]


def _vector(numbers: list[float]) -> Tensor:
    vector = torch.tensor(numbers, dtype=torch.float32)
    if vector.ndim != 1 or not vector.isfinite().all():
        raise ValueError("a layer is no list of numbers")
    return vector
