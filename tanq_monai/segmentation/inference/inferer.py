"""Sliding windows where nnU-Net puts them, for volumes and for slices.

B batch, K classes; volumes are (B, 1, z, y, x).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from monai.inferers import SlidingWindowInferer
from torch.nn.functional import pad

from tanq_monai.choices.config import check_values
from tanq_monai.choices.table import CHOICES
from tanq_monai.segmentation.inference.windows import Place, gaussian_weight, padding_to, summed_weights, window_places

_KINDS = {"overlap": CHOICES["overlap"].kind, "sw_batch_size": CHOICES["windows_per_batch"].kind}
Network = Callable[..., torch.Tensor]


class PlanInferer(SlidingWindowInferer):  # type: ignore[misc]
    """Gaussian-weighted mean of the logits of overlapping windows.

    Other than MONAI's, windows are spread evenly (MONAI keeps the step and moves the last one back), and a
    window of two numbers goes through a volume slice by slice along z. Sums are float32 (nnU-Net's: float16).

    Args:
        roi_size: window in voxels, (z, y, x) or (y, x).
        sw_batch_size: windows per forward pass.
        overlap: at least this fraction of a window.
        mirror_axes: axes of the window; the mean over all ways to mirror it along them, itself included.

    Raises:
        InputError: when the overlap or the number of windows is none.
    """

    def __init__(
        self,
        roi_size: Sequence[int],
        sw_batch_size: int = 1,
        overlap: float = 0.5,
        mirror_axes: Sequence[int] = (),
    ) -> None:
        check_values({"overlap": overlap, "sw_batch_size": sw_batch_size}, _KINDS)
        super().__init__(roi_size, sw_batch_size=sw_batch_size, overlap=overlap, mode="gaussian")
        self.window = tuple(roi_size)
        axes = [axis + 2 for axis in mirror_axes]
        self.flips = [flip for n in range(len(axes) + 1) for flip in itertools.combinations(axes, n)]

    def __call__(self, inputs: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Logits (B, K, z, y, x) of (B, 1, z, y, x)."""
        volume = torch.as_tensor(inputs.as_tensor() if hasattr(inputs, "as_tensor") else inputs)
        padded, inner = pad_to(volume, self.window)
        weight = torch.from_numpy(gaussian_weight(self.window)).to(padded.device)
        total = torch.zeros(0)
        for batch in _batches(window_places(padded.shape[2:], self.window, self.overlap), self.sw_batch_size):
            windows = torch.cat([padded[(slice(None), slice(None), *place)] for place in batch])
            logits = self._mirrored(windows, network, *args, **kwargs)
            if total.numel() == 0:
                total = torch.zeros((len(volume), logits.shape[1], *padded.shape[2:]), device=padded.device)
            for place, one in zip(batch, logits.chunk(len(batch)), strict=True):
                total[(slice(None), slice(None), *place)] += one * weight
        for z, weights in enumerate(summed_weights(padded.shape[2:], weight.cpu().numpy(), self.overlap)):
            total[:, :, z] /= torch.from_numpy(weights).to(total.device)
        return total[(slice(None), slice(None), *inner)]

    def _mirrored(self, windows: torch.Tensor, network: Network, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Mean over the windows as they are and mirrored, each output mirrored back."""
        total = torch.zeros(0)
        for axes in self.flips:
            logits = network(windows.flip(axes) if axes else windows, *args, **kwargs).float()
            total = logits if not axes else total.add_(logits.flip(axes))
        return total.div_(len(self.flips)) if len(self.flips) > 1 else total


def _batches(places: Sequence[Place], size: int) -> Iterator[Sequence[Place]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def pad_to(volume: torch.Tensor, window: Sequence[int]) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """``volume`` padded with zeros on both sides to at least ``window``, and where the volume lies in it."""
    widths = padding_to(volume.shape[2:], window)
    flat = [width for pair in reversed(widths) for width in pair]
    padded = pad(volume, flat) if any(flat) else volume  # torch copies in any case
    return padded, tuple(slice(low, low + n) for (low, _), n in zip(widths, volume.shape[2:], strict=True))
