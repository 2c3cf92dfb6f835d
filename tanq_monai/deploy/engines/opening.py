"""ONNX files, and what OpenVINO has converted, as functions of arrays on the engine that fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines.choice import HOLDS_IN_BFLOAT16, ONNX_RUNTIME, OPENVINO, Choices, choose_engine
from tanq_monai.deploy.engines.on_onnxruntime import OnnxRuntime, is_for_gpu
from tanq_monai.deploy.engines.on_openvino import OpenVino, has_bfloat16


class Engine(Protocol):
    """A network that is ready to run."""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The one output for inputs by their names, of any batch and size that suit the network."""
        ...


def open_engine(model_file: str | Path, kind: str, choices: Choices, provider: str = "auto") -> Engine:
    """The network of an ONNX file of ours.

    Args:
        model_file: of :func:`tanq_monai.deploy.export.export_onnx`.
        kind: of network, by which ``auto`` decides.
        choices: the user's.
        provider: of ONNX Runtime, see :class:`OnnxRuntime`; one that is no CPU is a choice of that engine.

    Raises:
        InputError: when the file or a choice cannot be used.
    """
    possible = (ONNX_RUNTIME,) if is_for_gpu(provider) else (OPENVINO, ONNX_RUNTIME)
    if choose_engine(choices, kind, possible) == ONNX_RUNTIME:
        return OnnxRuntime(model_file, choices.num_threads, provider)
    return open_openvino(model_file, kind, choices)


def open_openvino(model: Any, kind: str, choices: Choices) -> OpenVino:
    """A network on OpenVINO, in bfloat16 where the user says so; or leaves it open, labels hold, and the processor can.

    Args:
        model: an ONNX file, or an ``openvino.Model``.
        kind: of network.
        choices: the user's.

    Raises:
        InputError: when the file cannot be opened, or the processor lacks bfloat16.
    """
    short = choices.bfloat16
    if short is None:
        short = (OPENVINO, kind) in HOLDS_IN_BFLOAT16 and has_bfloat16()
    return OpenVino(model, choices.num_threads, short)
