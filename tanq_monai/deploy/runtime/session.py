"""ONNX files as sessions of ONNX Runtime."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def open_session(model_file: str | Path, provider: str = "auto") -> "InferenceSession":
    """The network of a file, ready to run.

    Args:
        model_file: of :func:`tanq_monai.deploy.export.export_onnx`.
        provider: cpu, cuda or tensorrt, on which everything that it cannot do is done by the next simpler one; auto:
            cuda where this machine has it, else cpu. TensorRT is never chosen by itself: it compiles for minutes.

    Raises:
        InputError: when the file cannot be read, or there is no ONNX Runtime or none with such a provider.
    """
    onnxruntime = _onnxruntime()
    path, providers = Path(model_file), _providers(provider, onnxruntime.get_available_providers())
    if not path.is_file():
        raise InputError(
            path,
            "is a folder" if path.is_dir() else "is missing",
            "export it with `python -m tanq_monai export-onnx`, or fetch the bundle",
        )
    try:
        return onnxruntime.InferenceSession(path, providers=providers)
    except Exception as error:  # what onnxruntime raises has no common base but this
        raise InputError(path, f"cannot be opened ({str(error).splitlines()[0]})", "export it again") from error


def properties_of(session: "InferenceSession", model_file: str | Path) -> dict[str, Any]:
    """What the file says of itself, see :mod:`tanq_monai.deploy.export`.

    Raises:
        InputError: when it says nothing: a file of another program.
    """
    texts = session.get_modelmeta().custom_metadata_map
    if "task" not in texts:
        raise InputError(model_file, "does not say what it is", "give a file of `python -m tanq_monai export-onnx`")
    return {name: json.loads(text) for name, text in texts.items()}


def _onnxruntime() -> ModuleType:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise InputError("onnxruntime", "is not installed", "install it, or onnxruntime-gpu") from error


def _providers(wanted: str, here: Sequence[str]) -> list[str]:
    if wanted == "auto":
        wanted = "cuda" if PROVIDERS["cuda"] in here else "cpu"
    if wanted not in PROVIDERS:
        raise InputError(f"provider {wanted}", "is none", f"choose auto or one of {', '.join(PROVIDERS)}")
    if PROVIDERS[wanted] not in here:
        raise InputError(f"provider {wanted}", "is not in this ONNX Runtime", "install onnxruntime-gpu, or choose cpu")
    names = list(PROVIDERS)
    return [PROVIDERS[name] for name in names[names.index(wanted) :] if PROVIDERS[name] in here]
