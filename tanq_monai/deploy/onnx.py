"""Networks as ONNX files for any batch and any size, which say by themselves what they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tanq_monai.errors import InputError
from tanq_monai.files import replacing

OPSET = 18
_LARGE = 256  # bytes of a tensor that is not written a second time
LARGEST = 4096  # of a batch, and of multiples of a stride along an axis


@dataclass(frozen=True)
class Signature:
    """What goes into a network and what comes out.

    Attributes:
        inputs: example of every input by its name, (B, ...), the image first.
        output: its name.
        channels: of the output.
        axes: names of the spatial axes of image and output.
        strides: the size of the image along each of them is a multiple of.
    """

    inputs: Mapping[str, Tensor]
    output: str
    channels: int
    axes: Sequence[str]
    strides: Sequence[int]


def write_onnx(
    network: nn.Module,
    path: str | Path,
    signature: Signature,
    properties: Mapping[str, str],
    weights: Path | None = None,
) -> None:
    """Write ``network``, in eval mode and on the CPU, as an ONNX file. Needs the packages onnx and onnxscript.

    Args:
        network: called with the inputs in their order.
        path: of the file, which is there completely or not at all.
        signature: of the network.
        properties: become the file's ``metadata_props``.
        weights: a file beside ``path`` that holds the same weights: then they are not written a second time, and
            ``path`` says where in that file they lie.

    Raises:
        InputError: when a package is missing.
    """
    try:
        import onnx_ir
        import onnxscript  # noqa: F401, what torch.onnx.export asks for
    except ImportError as error:
        raise InputError(str(error.name), "is not installed", "install onnx, onnxscript and onnxruntime") from error
    batch, *sizes = (torch.export.Dim(name, min=1, max=LARGEST) for name in ("batch", *signature.axes))
    spatial = {2 + n: stride * size for n, (stride, size) in enumerate(zip(signature.strides, sizes, strict=True))}
    image, *others = signature.inputs
    shapes = [{0: batch} | spatial, *({0: batch} for _ in others)]
    with torch.no_grad():
        exported = torch.export.export(network, tuple(signature.inputs.values()), dynamic_shapes=shapes)
        program: Any = torch.onnx.export(
            exported,
            input_names=list(signature.inputs),
            output_names=[signature.output],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model
    for value in model.graph.inputs:
        value.shape = onnx_ir.Shape(["batch"])
    model.graph.inputs[0].shape = onnx_ir.Shape(["batch", signature.inputs[image].shape[1], *signature.axes])
    model.graph.outputs[0].shape = onnx_ir.Shape(["batch", signature.channels, *signature.axes])
    for graph in model.graphs():
        for node in graph:
            node.metadata_props.clear()  # where in which source file it comes from: no one's business but ours
            for value in node.outputs:
                value.metadata_props.clear()
        for value in (*graph.inputs, *graph.initializers.values()):
            value.metadata_props.clear()
        graph.metadata_props.clear()
    model.metadata_props.clear()
    model.metadata_props.update(properties)
    if weights is not None:
        _refer_to(weights, model.graph.initializers.values())
    with replacing(path) as temporary:
        onnx_ir.save(model, temporary)


def _refer_to(weights: Path, initializers: Iterable[Any]) -> None:
    """Let large initializers be ONNX's external data wherever ``weights`` holds their very bytes.

    What ``torch.save`` writes does: a zip archive without compression. Small ones stay: among them are constants that
    ONNX Runtime must know before it reads another file, and whose bytes may stand anywhere by chance.
    """
    import onnx_ir

    content = weights.read_bytes()
    for one in initializers:
        values = one.const_value
        offset = content.find(values.tobytes()) if values.nbytes >= _LARGE else -1
        if offset >= 0:
            one.const_value = onnx_ir.ExternalTensor(
                weights.name, offset, values.nbytes, values.dtype, shape=values.shape, name=values.name, base_dir=""
            )
