"""A prompt on the low frequencies of slices: what shades a whole head, and no edge.

Slices are (..., y, x), a prompt (h, w), both odd.
"""

import torch
from torch import Tensor

SHARE = 0.01  # of the side of a slice


def prompt_shape(slice_shape: tuple[int, int]) -> tuple[int, int]:
    """How many frequencies along y and x a prompt for slices of (y, x) pixels has.

    The share of the side, down to an odd number, so that every frequency has its conjugate; 3 at least, where the paper
    has 1 at least: the mean level alone, which instance norms remove.
    """
    rows, columns = (2 * min(max(1, int(SHARE * n / 2)), (n - 1) // 2) + 1 for n in slice_shape)
    return rows, columns


def prompted(slices: Tensor, prompt: Tensor) -> Tensor:
    r"""Slices whose lowest frequencies are multiplied by the prompt, whose middle is the mean level.

    .. math:: x + \mathrm{Re}\, F^{-1}\left[(p - 1)\, F x\right]

    which multiplies amplitudes and leaves phases. A prompt of 1 leaves every bit of the slices.
    """
    rows, columns = (
        torch.arange(-(n // 2), n // 2 + 1, device=slices.device) % size
        for n, size in zip(prompt.shape, slices.shape[-2:], strict=True)
    )
    spectrum = torch.fft.fft2(slices)
    change = torch.zeros_like(spectrum)
    change[..., rows[:, None], columns] = (prompt - 1) * spectrum[..., rows[:, None], columns]
    changed: Tensor = slices + torch.fft.ifft2(change).real
    return changed
