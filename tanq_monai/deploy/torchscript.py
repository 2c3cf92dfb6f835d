"""The network of a bundle as a TorchScript archive, for any batch and any size of images.

Axes: B batch, H rows, W columns.
"""

import hashlib
import io
import json
import math
import warnings
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from monai.data.torchscript_utils import save_net_with_metadata
from torch import Tensor, nn

from tanq_monai.deploy.archives import write_zip
from tanq_monai.deploy.bundle_network import read_network
from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.deploy.rendering import rendered_json
from tanq_monai.networks import TanqGenerator

DEBUG = ".debug_pkl"  # where in which file every operation was written
ID = ".data/serialization_id"  # a number of 40 digits, which torch derives from DEBUG as well


def export_torchscript(bundle: str | Path, output: str | Path) -> None:
    """Write the network of ``configs/inference.yaml`` with the weights of ``models/model.pt`` as ``output``.

    It takes what the network takes, for any B, H and W that suit it; a translator image and style, int64 (B,). It holds
    ``metadata.json`` and ``inference.json`` as ``monai.bundle.ckpt_export`` would store them, and no source locations.
    Its files lie below a folder named after the archive, as where torch writes to a file; MONAI Deploy's own bundle
    operator looks for them there. A fresh process writes the same bytes again; within one process, torch numbers the
    classes on.

    Raises:
        InputError: when the bundle has no weights.
    """
    bundle = Path(bundle)
    network = read_network(bundle)
    script = traced(network)
    extra = {"inference.json": rendered_json(bundle / "configs" / "inference.yaml").encode()}
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is to be superseded; MONAI Deploy still reads it
        warnings.simplefilter("ignore", DeprecationWarning)
        save_net_with_metadata(script, buffer, include_config_vals=False, meta_values=metadata, more_extra_files=extra)
    with zipfile.ZipFile(buffer) as archive:
        names = [name for name in archive.namelist() if not name.endswith((DEBUG, ID))]
        members = {f"{Path(output).stem}/{name.partition('/')[2]}": archive.read(name) for name in names}
    write_zip(output, members | {f"{Path(output).stem}/{ID}": _id_of(members)})


def traced(network: nn.Module) -> torch.jit.ScriptModule:
    """A bundle's network, in eval mode and on the CPU, as TorchScript that takes any B, H and W that suit it."""
    graph = GraphGenerator(network) if isinstance(network, TanqGenerator) else network
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that sizes might be constants: tests/deploy/test_torchscript.py tries others
        script: torch.jit.ScriptModule = torch.jit.trace(graph, example_of(graph), check_trace=False)  # type: ignore[no-untyped-call]
    return script


class ScriptableGenerator(TanqGenerator):
    """A translator that ``torch.jit.script`` takes as well, see :func:`scriptable`; its arguments are the same."""

    def __prepare_scriptable__(self) -> nn.Module:
        """What is scripted in its place."""
        return _script_of(self)


def scriptable(network: nn.Module) -> nn.Module:
    """The same network, which ``torch.jit.script`` takes as well: by its trace, for its code is not TorchScript.

    So ``python -m monai.bundle ckpt_export`` scripts a bundle as a model zoo's checks do, with no further option. The
    script takes what :func:`traced` does; of a translator, the style may be left out, and is then the first.

    Args:
        network: of a segmenter; it is changed in nothing else.
    """
    network.__prepare_scriptable__ = partial(_script_of, network)  # type: ignore[assignment]
    return network


class _Scripted(nn.Module):
    """A trace as a part of a module, which is what ``torch.jit.script`` wants."""

    def __init__(self, trace: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.trace = trace

    def forward(self, image: Tensor) -> Tensor:
        """As the trace."""
        output: Tensor = self.trace(image)
        return output


class _ScriptedTranslator(_Scripted):
    """The same with a style for every slice, (B,)."""

    def forward(self, image: Tensor, style: Tensor | None = None) -> Tensor:
        """As the trace; the first style where none is given."""
        if style is None:
            style = torch.zeros(image.shape[0], dtype=torch.long, device=image.device)
        output: Tensor = self.trace(image, style)
        return output


def _script_of(network: nn.Module) -> nn.Module:
    training = network.training
    trace = traced(network.eval())
    network.train(training)
    return (_ScriptedTranslator if isinstance(network, TanqGenerator) else _Scripted)(trace)


def example_of(network: nn.Module) -> tuple[Tensor, ...]:
    """Arguments to trace it with."""
    if isinstance(network, GraphGenerator):
        image = torch.zeros(2, 2, 64, 80)
        image[:, 1, 8:24, 8:24], image[:, 1, 32:48, 32:56] = 1, 2
        return image, torch.zeros(2, dtype=torch.long)
    strides = [math.prod(along) for along in zip(*network.encoder.strides, strict=True)]  # type: ignore[union-attr, arg-type, misc]
    return (torch.zeros(2, 1, *(2 * stride for stride in strides)),)


def _id_of(members: Mapping[str, bytes]) -> bytes:
    digest = hashlib.sha256(b"".join(name.encode() + members[name] for name in sorted(members)))
    return str(int(digest.hexdigest(), 16))[:40].encode()
