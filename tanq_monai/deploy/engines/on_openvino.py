"""Networks on OpenVINO: of ONNX files, and of what OpenVINO has converted by itself."""

import importlib
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.deploy.engines.refusal import refusal
from tanq_monai.errors import InputError

_ONE_AT_A_TIME = threading.Lock()


class OpenVino:
    """A network, compiled for the sizes that it is given: again, in a second or less, when they change.

    Args:
        model: an ONNX file, or an ``openvino.Model``.
        threads: that compute.
        bfloat16: in place of float32. Left to itself, OpenVINO takes it wherever the processor has it.

    Raises:
        InputError: when the file cannot be opened, or the processor lacks bfloat16.
    """

    def __init__(self, model: Any, threads: int, bfloat16: bool = False) -> None:
        self.core = core()
        if bfloat16 and not has_bfloat16():
            raise InputError("amp", "this processor has neither AMX nor AVX512-BF16", "give auto or false")
        self.settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # which would make programs beside it wait
            "NUM_STREAMS": 1,
        }
        self.where: str | Path = model if isinstance(model, str | Path) else "model"
        self.model = self._read(model) if isinstance(model, str | Path) else model
        self.sizes: dict[str, tuple[int, ...]] = {}

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The output; see :class:`tanq_monai.deploy.engines.opening.Engine`.

        Raises:
            InputError: when the network takes no such inputs.
        """
        sizes = {name: array.shape for name, array in inputs.items()}
        try:
            if sizes != self.sizes:
                self.model.reshape({name: list(shape) for name, shape in sizes.items()})
                self.request = self.core.compile_model(self.model, "CPU", self.settings).create_infer_request()
                self.sizes = sizes
            output: NDArray[np.float32] = self.request.infer(dict(inputs))[0]
        except RuntimeError as error:
            raise refusal(self.where, inputs, error) from error
        return output

    def _read(self, model_file: str | Path) -> Any:
        try:
            return self.core.read_model(str(model_file))
        except RuntimeError as error:
            problem = f"cannot be opened by OpenVINO ({str(error).splitlines()[0]})"
            raise InputError(model_file, problem, "export it again") from error


def has_bfloat16() -> bool:
    """Whether OpenVINO finds that this processor computes in bfloat16."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def core() -> Any:
    """The one ``openvino.Core`` of this process, which is never given up.

    A Core changes the memory on which its thread handles signals. When another thread gives the Core up, which Python's
    collector may decide, that memory is gone while the first thread still uses it: its next signal, such as the end of
    a process that loads data, then ends the program without a word.
    """
    with _ONE_AT_A_TIME:
        return _core()


@cache
def _core() -> Any:
    return import_openvino().Core()


def import_openvino() -> Any:
    """The package, which by itself would write an id into the home folder and tell its maker of every import."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")
