"""The translator as an ONNX file, for any batch and any size of slices.

Axes: B batch, C channels, P = H x W pixels, R regions (others, then the structures).
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_ir
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tanq_monai.files import replacing
from tanq_monai.networks.generator import TanqGenerator
from tanq_monai.networks.norms import COCHLEA, EPS, VS, Moments, RegionNorm

OPSET = 18


def export_onnx(generator: TanqGenerator, path: str | Path, style: int = 0) -> None:
    """Write ``generator`` as an ONNX file: ``image`` (B, 2, H, W) -> ``translation`` (B, 1, H, W).

    Image in [-1, 1] and label map {0, 1, 2} in, slices in [-1, 1] out, as in :meth:`TanqGenerator.forward`; B, H and W
    are free, H and W multiples of 4. Needs the packages onnx and onnxscript.

    Args:
        generator: left as it is.
        path: of the file, which is there completely or not at all.
        style: the one that the file translates to.
    """
    network = _Exportable(generator, style).eval()
    batch, rows, columns = (torch.export.Dim(name, min=1, max=4096) for name in ("batch", "rows", "columns"))
    example = torch.zeros(2, 2, 32, 48)
    shapes = {"image": {0: batch, 2: 4 * rows, 3: 4 * columns}}
    with torch.no_grad():
        program: Any = torch.onnx.export(
            torch.export.export(network, (example,), dynamic_shapes=shapes),
            input_names=["image"],
            output_names=["translation"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    for value, channels in ((program.model.graph.inputs[0], 2), (program.model.graph.outputs[0], 1)):
        value.shape = onnx_ir.Shape(["batch", channels, "height", "width"])
    with replacing(path) as temporary:
        program.save(str(temporary))


class _Exportable(nn.Module):
    """A generator in which structures are masks: lists of pixels have a length that an ONNX graph cannot know."""

    def __init__(self, generator: TanqGenerator, style: int) -> None:
        super().__init__()
        generator = copy.deepcopy(generator).to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        for name, norm in list(generator.named_modules()):
            if isinstance(norm, RegionNorm):
                generator.set_submodule(name, _DenseRegionNorm(norm, style))
        generator.seg_decoder = None
        self.generator = generator

    def forward(self, image: Tensor) -> Tensor:
        generator = self.generator
        labels = image[:, 1:]
        structures = [_masks(labels, n, generator.min_region_pixels) for n in (1, 2, 4)]
        hidden, _ = generator._encode(image, structures, last_block=len(generator.blocks))  # type: ignore[arg-type]
        return generator._decode(hidden, structures, None)  # type: ignore[arg-type]


class _DenseRegionNorm(nn.Module):
    """What a :class:`RegionNorm` does, with masks (B, 1, H, W) for structures.

    Takes more operations than the original, none of which depends on what the label map holds.
    """

    def __init__(self, norm: RegionNorm, style: int) -> None:
        super().__init__()
        self.scale_and_shift = norm._scale_and_shift
        style = style if len(norm.weight) > 1 else 0  # the encoder's norms have no styles
        self.register_buffer("gamma", norm.weight[style].detach().clone())
        self.register_buffer("beta", norm.bias[style].detach().clone())

    gamma: Tensor
    beta: Tensor

    def forward(self, x: Tensor, structures: Sequence[Tensor] = (), style: Tensor | None = None) -> Tensor:
        moments = _moments(x, structures)
        y: Tensor = x
        for region, own in enumerate(moments):
            scale, shift = self.scale_and_shift(region, own, moments[0])
            scale, shift = self.gamma[region] * scale, self.gamma[region] * shift + self.beta[region]
            normalized = x * scale[..., None, None] + shift[..., None, None]
            y = normalized if region == 0 else torch.where(structures[region - 1] > 0, normalized, y)
        return y


def _moments(x: Tensor, structures: Sequence[Tensor]) -> list[Moments]:
    """Of others and of each structure; others are the whole slice where nothing else is left."""
    inside = torch.cat(list(structures), dim=1)
    others = 1 - inside.sum(dim=1, keepdim=True)
    others = torch.where(others.sum(dim=(2, 3), keepdim=True) > 0, others, torch.ones_like(others))
    masks = torch.cat([others, inside], dim=1).flatten(2).transpose(1, 2)  # (B, P, R)
    weights = masks / masks.sum(dim=1, keepdim=True).clamp(min=1)
    center = x.mean(dim=(2, 3), keepdim=True)  # near enough to every region's own for float32
    centred = (x - center).flatten(2)  # (B, C, P)
    mean, square = centred @ weights, centred.square() @ weights  # (B, C, R)
    std = ((square - mean.square()).clamp(min=0) + EPS).sqrt()
    mean = mean + center[:, :, 0]
    return [Moments(mean[..., region], std[..., region]) for region in range(len(structures) + 1)]


def _masks(labels: Tensor, size: int, min_pixels: int) -> tuple[Tensor, Tensor]:
    """VS and cochlea (B, 1, H / size, W / size), as :func:`tanq_monai.networks.norms.find_structures` finds them."""
    vs, cochlea = (F.max_pool2d((labels == value).float(), size) for value in (VS, COCHLEA))
    vs = vs * (1 - cochlea)
    vs, cochlea = (mask * (mask.sum(dim=(2, 3), keepdim=True) >= min_pixels) for mask in (vs, cochlea))
    return vs, cochlea
