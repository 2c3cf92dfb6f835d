"""Where bfloat16 pays: the one place that the configs of both bundles ask."""

from typing import TYPE_CHECKING, Any

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    import torch

CHOICES = {"auto": None, "true": True, "false": False}


def use_amp(amp: bool | str, device: "torch.device | str") -> bool:
    """Whether networks on ``device`` compute in a short float type (autocast).

    Args:
        amp: the configs' choice: "auto", where the device computes faster so; true; false.
        device: of the networks.

    Raises:
        InputError: for another word, and for true on a processor that would compute bfloat16 by way of float32.
    """
    import torch

    wanted, kind = asked(amp), torch.device(device).type
    if wanted is None:
        return kind == "cuda" or (kind == "cpu" and cpu_has_bfloat16())
    if wanted and kind == "cpu" and not cpu_has_bfloat16():
        raise InputError("amp", "this processor has neither AMX nor AVX512-BF16", "give auto or false")
    return wanted


def asked(amp: bool | str) -> bool | None:
    """The configs' choice; None is auto. Needs no torch.

    Raises:
        InputError: for another word.
    """
    word = str(amp).lower()
    if word not in CHOICES:
        raise InputError("amp", f"{amp!r} is no choice", "give auto, true or false")
    return CHOICES[word]


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself (AMX or AVX512-BF16), as far as torch can tell."""
    import torch

    if hasattr(torch.cpu, "get_capabilities"):  # torch 2.10 or later
        return _told_by(torch.cpu.get_capabilities())
    names = {"amx_bf16": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported"}
    return _told_by({name: getattr(torch.cpu, ask, bool)() for name, ask in names.items()})


def _told_by(capabilities: Any) -> bool:
    return bool(capabilities.get("amx_bf16", False) or capabilities.get("avx512_bf16", False))
