"""Choices for a config on disk, checked before it is run."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from tanq_monai.choices.config import checked_choices, did_you_mean
from tanq_monai.choices.layers import SEPARATOR, has, put, read_layers
from tanq_monai.choices.table import CHOICES
from tanq_monai.errors import InputError, InputErrors

_ORDERS = ("imports#", "initialize#", "run#", "finalize#")


def check_choices(config_files: Sequence[str | Path], choices: Mapping[str, Any]) -> None:
    """Raise unless a config, and what is laid over it, has the choices and allows their values.

    Args:
        config_files: as MONAI takes them.
        choices: by name; or parts of the config, with ``#``.

    Raises:
        InputErrors: for those that it has not, or does not allow.
    """
    config = deepcopy(_read(tuple(map(str, config_files))))
    own = config.keys() & CHOICES.keys()
    parts = {name for name in choices if SEPARATOR in name and not name.startswith(_ORDERS)}
    known = own | {name for name in parts if has(config, name.rpartition(SEPARATOR)[0])}
    if unknown := sorted(choices.keys() - known):
        stem = Path(config_files[0]).stem
        raise InputErrors([InputError(name, f"is no choice of {stem}", did_you_mean(name, own)) for name in unknown])
    for name, value in choices.items():
        put(config, name, value)
    checked_choices(config)


@lru_cache
def _read(config_files: tuple[str, ...]) -> dict[str, Any]:
    return read_layers(config_files)
