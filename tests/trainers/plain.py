"""TANQ's networks and attention in torch's plain operations, from the weights by name: slow, and nothing shared.

Axes: B batch, C channels, H x W pixels, P = H W places.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
EPS = 1e-5


def _regions(labels: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """VS and cochlea (B, 1, h, w) of a label map; where they meet, the cochlea wins; none of fewer than 4 pixels."""
    vs, cochlea = (F.max_pool2d((labels == value).double(), factor) for value in (1, 2))
    masks = (vs * (1 - cochlea), cochlea)
    return tuple(mask * (mask.sum(dim=(2, 3), keepdim=True) >= 4) for mask in masks)


def _moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, 1, 1) each."""
    count = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (x * mask).sum(dim=(2, 3), keepdim=True) / count
    return mean, (((x - mean).square() * mask).sum(dim=(2, 3), keepdim=True) / count + EPS).sqrt()


def _norm(x: Tensor, w: Weights, name: str, *masks: Tensor) -> Tensor:
    """Of the others and of each mask by itself; of two, the first is the VS and takes on the others' moments."""
    weight, bias = w[f"{name}.weight"][0, :, :, None, None], w[f"{name}.bias"][0, :, :, None, None]
    others = 1 - sum(masks)
    mean, std = _moments(x, others)
    y = (weight[0] * (x - mean) / std + bias[0]) * others
    for region, mask in enumerate(masks, start=1):
        own_mean, own_std = _moments(x, mask)
        z = (x - own_mean) / own_std
        z = z * std + mean if len(masks) == 2 and region == 1 else z
        y = y + (weight[region] * z + bias[region]) * mask
    return y


def _conv(x: Tensor, w: Weights, name: str, **how) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], **how)


def _reflected(x: Tensor, pixels: int) -> Tensor:
    return F.pad(x, (pixels,) * 4, mode="reflect")


def _blur(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(_reflected(x, 1), kernel, stride=2, groups=x.shape[1])


def encode(x: Tensor, w: Weights, blocks: int) -> tuple[Tensor, list[Tensor]]:
    """Output of the last block, and the five taps, of slices (B, 2, H, W)."""
    full, half, quarter = (_regions(x[:, 1:], factor)[1] for factor in (1, 2, 4))
    padded = _reflected(x[:, :1], 3)
    hidden = _norm(_conv(padded, w, "stem"), w, "stem_norm", full).relu()
    down1 = _conv(hidden, w, "down1", padding=1)
    down2 = _conv(_blur(_norm(down1, w, "down1_norm", full).relu()), w, "down2", padding=1)
    hidden = _blur(_norm(down2, w, "down2_norm", half).relu())
    features = [padded, down1, down2]
    for number in range(blocks):
        name = f"blocks.{number}"
        inside = _norm(_conv(_reflected(hidden, 1), w, f"{name}.conv1"), w, f"{name}.norm1", quarter).relu()
        hidden = hidden + _norm(_conv(_reflected(inside, 1), w, f"{name}.conv2"), w, f"{name}.norm2", quarter)
        if number in (0, min(5, blocks) - 1):
            features.append(hidden)
    return hidden, features


def translate(hidden: Tensor, labels: Tensor, w: Weights) -> Tensor:
    """(B, 1, H, W) from the output of the last block."""
    full, half = _regions(labels, 1), _regions(labels, 2)
    up1 = _conv(F.interpolate(hidden, scale_factor=2.0, mode="bilinear"), w, "up1", padding=1)
    up2 = F.interpolate(_norm(up1, w, "up1_norm", *half).relu(), scale_factor=2.0, mode="bilinear")
    hidden = _norm(_conv(up2, w, "up2", padding=1), w, "up2_norm", *full).relu()
    return _conv(_reflected(hidden, 3), w, "head").tanh()


def segment(hidden: Tensor, w: Weights) -> Tensor:
    """Logits (B, classes, H, W) from the output of the last block."""
    for number in (0, 3):
        weight, bias = w[f"seg_decoder.{number}.weight"], w[f"seg_decoder.{number}.bias"]
        hidden = F.conv_transpose2d(hidden, weight, bias, stride=2, padding=1, output_padding=1)
        hidden = F.instance_norm(hidden, eps=EPS).relu()
    return _conv(_reflected(hidden, 3), w, "seg_decoder.6")


def discriminate(x: Tensor, w: Weights) -> Tensor:
    """Scores (B, 1, h, w) of slices (B, 1, H, W)."""
    first, second, third, fourth, last = (name.removesuffix(".weight") for name in w if name.endswith(".weight"))
    x = _blur(F.leaky_relu(_conv(x, w, first, padding=1), 0.2))
    for name in (second, third):
        x = _blur(F.leaky_relu(F.instance_norm(_conv(x, w, name, padding=1), eps=EPS), 0.2))
    x = F.leaky_relu(F.instance_norm(_conv(x, w, fourth, padding=1), eps=EPS), 0.2)
    return _conv(x, w, last, padding=1)


def _attention(features: Tensor, count: int) -> Tensor:
    """The rows (B, count, P) of lowest entropy."""
    rows = features.flatten(2).transpose(1, 2)
    attention = (rows @ rows.transpose(1, 2)).softmax(dim=-1)
    order = torch.special.entr(attention.detach()).sum(dim=-1).sort(dim=1, stable=True).indices[:, :count]
    return attention.take_along_dim(order[..., None], dim=1)


def contrast(own: list[Tensor], translated: list[Tensor], w: Weights, count: int) -> Tensor:
    """L_con: places drawn by torch's generator in the first three layers, attention in the others."""
    losses = []
    for layer, maps in enumerate(zip(own, translated, strict=True)):
        source, other = (features.flatten(2).transpose(1, 2) for features in maps)
        if layer < 3:
            chosen = torch.randperm(source.shape[1])[:count]
            pair = source[:, chosen], other[:, chosen]
        else:
            attention = _attention(own[layer], count)
            pair = attention @ source, attention @ other
        keys, queries = (_projected(rows, w, layer) for rows in pair)
        logits = queries @ keys.detach().transpose(1, 2) / 0.07
        losses.append(-logits.log_softmax(dim=-1).diagonal(dim1=1, dim2=2).mean())
    return sum(losses) / len(losses)


def _projected(rows: Tensor, w: Weights, layer: int) -> Tensor:
    rows = F.linear(rows, w[f"heads.{layer}.0.weight"], w[f"heads.{layer}.0.bias"]).relu()
    rows = F.linear(rows, w[f"heads.{layer}.2.weight"], w[f"heads.{layer}.2.bias"])
    return rows / (rows.norm(dim=-1, keepdim=True) + 1e-7)
