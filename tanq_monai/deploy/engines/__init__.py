"""Networks on a CPU by ONNX Runtime and OpenVINO, of one face for the bundles and for the runtime without torch.

``choice`` says which is faster for what, ``opening`` opens it. Neither torch nor MONAI is imported, and of the engines
only the one that runs.
"""

from tanq_monai.deploy.engines.choice import (
    AUTO,
    ONNX_RUNTIME,
    OPENVINO,
    SEGMENTER_2D,
    SEGMENTER_3D,
    TORCH,
    TRANSLATOR,
    Choices,
    choose_engine,
)
from tanq_monai.deploy.engines.on_onnxruntime import OnnxRuntime
from tanq_monai.deploy.engines.onnx_file import WEIGHTS_FILE, read_properties, read_usable
from tanq_monai.deploy.engines.opening import Engine, open_engine, open_openvino

__all__ = [
    "AUTO",
    "ONNX_RUNTIME",
    "OPENVINO",
    "SEGMENTER_2D",
    "SEGMENTER_3D",
    "TORCH",
    "TRANSLATOR",
    "WEIGHTS_FILE",
    "Choices",
    "Engine",
    "OnnxRuntime",
    "choose_engine",
    "open_engine",
    "open_openvino",
    "read_properties",
    "read_usable",
]
