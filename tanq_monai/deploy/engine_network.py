"""A bundle's network on the engine that fits, in the place of the torch network."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from tanq_monai.deploy.engines import (
    AUTO,
    ONNX_RUNTIME,
    OPENVINO,
    SEGMENTER_2D,
    SEGMENTER_3D,
    TORCH,
    TRANSLATOR,
    Choices,
    Engine,
    OnnxRuntime,
    choose_engine,
    open_openvino,
    read_usable,
)
from tanq_monai.deploy.engines.choice import HOLDS_IN_BFLOAT16
from tanq_monai.deploy.engines.on_openvino import import_openvino
from tanq_monai.deploy.torchscript import traced
from tanq_monai.errors import InputError
from tanq_monai.networks import CycleGanGenerator, TanqGenerator
from tanq_monai.precision import asked, use_amp
from tanq_monai.segmentation.inference.ensemble import Ensemble
from tanq_monai.weights import digest

PLANNED = "dynamic_network_architectures."  # where the networks of nnU-Net's plans come from
DIGEST = "weights"  # property of an ONNX file: the digest of those that it is made of


class EngineNetwork(nn.Module):
    """Tensors in and out of an engine.

    Args:
        engine: with the input ``image`` and, of a translator, ``style``.
        kind: of network.
    """

    def __init__(self, engine: Engine, kind: str) -> None:
        super().__init__()
        self.engine, self.kind = engine, kind

    def forward(self, image: Tensor, style: Tensor | None = None) -> Tensor:
        """What the network makes of ``image`` (B, C, ...), float32, on the image's device.

        Args:
            image: as the torch network takes it.
            style: of a translator: the number of every slice's style, int64 (B,), or (1,) for all; None is style 0.
        """
        inputs = {"image": image.detach().float().cpu().contiguous().numpy()}
        if self.kind == TRANSLATOR:
            number = torch.zeros(1, dtype=torch.long) if style is None else style.cpu().long()
            inputs["style"] = number.expand(len(image)).numpy()
        return torch.from_numpy(self.engine(inputs)).to(image.device)


class Bfloat16Network(nn.Module):
    """A torch network that computes in bfloat16 on a CPU: MONAI's evaluator does so on CUDA alone.

    Args:
        network: whatever else is asked of it, it does as before.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.network, name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network gives."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.network(*args, **kwargs)


def on_engine(
    network: nn.Module,
    model_file: str | Path,
    device: torch.device | str = "cpu",
    engine: str = AUTO,
    threads: int | None = None,
    amp: bool | str = AUTO,
) -> nn.Module:
    """``network`` itself, where torch is to compute, or what an engine makes of it.

    Engines run ``model.onnx`` beside the weights, and none of other weights. Where there is none, OpenVINO converts the
    network, which takes two seconds.

    Args:
        network: with its weights.
        model_file: which it has them from.
        device: of the network. The engines are for CPUs: elsewhere ``auto`` is torch.
        engine: auto, torch, onnxruntime or openvino; auto: the fastest for such a network that is there, see
            :data:`tanq_monai.deploy.engines.choice.FASTEST`.
        threads: that compute; None: one for every core.
        amp: on a CPU bfloat16; auto: where the processor has it and the results hold, see
            :data:`tanq_monai.deploy.engines.choice.HOLDS_IN_BFLOAT16`.

    Raises:
        InputError: when the engine is not there, there is no file of these weights for it, or it lacks the precision.
    """
    short, kind = use_amp(amp, device), kind_of(network)
    choices = Choices(engine, threads, asked(amp))
    if torch.device(device).type != "cpu" or kind is None:
        if engine not in (AUTO, TORCH):
            what = f"not a {type(network).__name__}" if kind is None else f"on CPUs, not on {device}"
            raise InputError(f"engine {engine}", f"runs the bundles' own networks, {what}", "choose auto")
        return network
    onnx_file = Path(model_file).with_suffix(".onnx")
    problem = _problem_with(onnx_file, network)
    if engine == ONNX_RUNTIME and problem is not None:
        raise problem
    engines = () if isinstance(network, CycleGanGenerator) else (OPENVINO,) if problem else (OPENVINO, ONNX_RUNTIME)
    chosen = choose_engine(choices, kind, (TORCH, *engines))
    if chosen == OPENVINO:
        return EngineNetwork(open_openvino(_converted(network) if problem else onnx_file, kind, choices), kind)
    if chosen == ONNX_RUNTIME:
        return EngineNetwork(OnnxRuntime(onnx_file, choices.num_threads, "cpu"), kind)
    if threads is not None:
        torch.set_num_threads(threads)
    holds = choices.bfloat16 or (TORCH, kind) in HOLDS_IN_BFLOAT16
    return Bfloat16Network(network) if short and holds else network


def members_on_engine(networks: nn.ModuleList, ensemble: Ensemble, **choices: Any) -> nn.ModuleList:
    """What :func:`tanq_monai.segmentation.inference.ensemble.load_members` gives, each network as :func:`on_engine`."""
    groups = zip(cast("list[nn.ModuleList]", list(networks)), ensemble.groups, strict=True)
    return nn.ModuleList(
        nn.ModuleList(
            on_engine(network, folder / "model.pt", **choices) for network, folder in zip(group, folders, strict=True)
        )
        for group, folders in groups
    )


def kind_of(network: nn.Module) -> str | None:
    """By which ``auto`` decides; None for a network that somebody has put in the place of the bundles' own."""
    if isinstance(network, TanqGenerator | CycleGanGenerator):
        return TRANSLATOR
    if not type(network).__module__.startswith(PLANNED):
        return None
    dimensions = max(weight.ndim for weight in network.parameters()) - 2
    return SEGMENTER_2D if dimensions == 2 else SEGMENTER_3D


def _problem_with(onnx_file: Path, network: nn.Module) -> InputError | None:
    """Why ``onnx_file`` cannot stand for ``network``."""
    try:
        made_of = read_usable(onnx_file).get(DIGEST)
    except InputError as error:
        return error
    if made_of == digest(network):
        return None
    return InputError(onnx_file, "is of other weights than the model.pt beside it", "export it again")


def _converted(network: nn.Module) -> Any:
    """``network`` as OpenVINO's own model."""
    model = import_openvino().convert_model(traced(network.eval()))
    for put, name in zip(model.inputs, ("image", "style"), strict=False):
        put.get_tensor().set_names({name})
    return model
