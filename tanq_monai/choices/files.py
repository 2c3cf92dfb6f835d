"""Choices for a config on disk, checked before it is run."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from tanq_monai.choices.config import checked_choices, did_you_mean
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
    from monai.bundle import ConfigParser  # seconds, which no mistake in other things has to wait for

    parser = ConfigParser(deepcopy(_read(tuple(map(str, config_files)))))
    own = parser.get().keys() & CHOICES.keys()
    known = own | {
        name for name in choices if "#" in name and not name.startswith(_ORDERS) and name.rpartition("#")[0] in parser
    }
    if unknown := sorted(choices.keys() - known):
        stem = Path(config_files[0]).stem
        raise InputErrors([InputError(name, f"is no choice of {stem}", did_you_mean(name, own)) for name in unknown])
    parser.update(dict(choices))
    checked_choices(parser.get())


@lru_cache
def _read(config_files: tuple[str, ...]) -> dict[str, Any]:
    from monai.bundle import ConfigParser

    config: dict[str, Any] = ConfigParser.load_config_files(list(config_files))
    return config
