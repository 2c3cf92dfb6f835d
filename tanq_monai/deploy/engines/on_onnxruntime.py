"""ONNX files on ONNX Runtime."""

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines.refusal import refusal
from tanq_monai.errors import InputError

PROVIDERS = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


class OnnxRuntime:
    """The network of a file.

    Args:
        model_file: of :func:`tanq_monai.deploy.export.export_onnx`.
        threads: that compute.
        provider: cpu, cuda or tensorrt, on which everything that it cannot do is done by the next simpler one; auto:
            cuda where this machine has it, else cpu. TensorRT is never chosen by itself: it compiles for minutes.

    Raises:
        InputError: when the file cannot be opened, or this ONNX Runtime has no such provider.
    """

    def __init__(self, model_file: str | Path, threads: int, provider: str = "auto") -> None:
        runtime = importlib.import_module("onnxruntime")
        self.model_file = model_file
        providers = _providers(provider, runtime.get_available_providers())
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.session = runtime.InferenceSession(model_file, options, providers=providers)
        except Exception as error:  # what onnxruntime raises has no common base but this
            problem = f"cannot be opened ({str(error).splitlines()[0]})"
            raise InputError(model_file, problem, "export it again") from error

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The output; see :class:`tanq_monai.deploy.engines.opening.Engine`.

        Raises:
            InputError: when the network takes no such inputs.
        """
        try:
            output: NDArray[np.float32] = self.session.run(None, dict(inputs))[0]
        except Exception as error:
            raise refusal(self.model_file, inputs, error) from error
        return output


def is_for_gpu(provider: str) -> bool:
    """Whether only ONNX Runtime will do: a provider is asked for, or the one for GPUs is installed and ``auto``."""
    if provider == "auto":
        return any(distributions(name="onnxruntime-gpu"))
    return provider != "cpu"


def _providers(wanted: str, here: Sequence[str]) -> list[str]:
    if wanted == "auto":
        wanted = "cuda" if PROVIDERS["cuda"] in here else "cpu"
    if wanted not in PROVIDERS:
        raise InputError(f"provider {wanted}", "is none", f"choose auto or one of {', '.join(PROVIDERS)}")
    if PROVIDERS[wanted] not in here:
        raise InputError(f"provider {wanted}", "is not in this ONNX Runtime", "install onnxruntime-gpu, or choose cpu")
    names = list(PROVIDERS)
    return [PROVIDERS[name] for name in names[names.index(wanted) :] if PROVIDERS[name] in here]
