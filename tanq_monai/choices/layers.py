"""Configs as MONAI lays one over the other, read without MONAI, which takes seconds to import."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tanq_monai.choices.documents import parse_yaml

SEPARATOR = "#"  # of the names that lead into a config: train#trainer#max_epochs
_MORE = "+"  # before a name: what is there is added to


def read_layers(config_files: Sequence[str | Path]) -> dict[str, Any]:
    """The content of YAML files, each laid over those before it, as MONAI's ``ConfigParser.load_config_files``.

    Raises:
        ValueError: when one is no YAML, or names something twice.
        LookupError: when one names a place that is not there.
    """
    config: dict[str, Any] = {}
    for file in config_files:
        for name, value in parse_yaml(Path(file).read_text(encoding="utf-8")).items():
            if name.startswith(_MORE):
                _add(config, name.removeprefix(_MORE), value)
            else:
                put(config, name, value)
    return config


def has(config: Mapping[str, Any], name: str) -> bool:
    """Whether a config has a place."""
    try:
        at(config, name)
    except (LookupError, ValueError, TypeError):
        return False
    return True


def at(config: Any, name: str) -> Any:
    """What stands at a place, such as ``train#handlers#0``.

    Raises:
        LookupError, ValueError, TypeError: when there is no such place.
    """
    for key in name.split(SEPARATOR):
        config = config[_index(config, key)]
    return config


def put(config: dict[str, Any], name: str, value: Any) -> None:
    """Set what stands at a place; all that leads there is there already.

    Raises:
        LookupError, ValueError, TypeError: when it is not.
    """
    leads, _, key = name.rpartition(SEPARATOR)
    within: Any = at(config, leads) if leads else config
    within[_index(within, key)] = value


def _add(config: dict[str, Any], name: str, value: Any) -> None:
    """A mapping to a mapping, a list to a list."""
    if not has(config, name):
        put(config, name, value)
    elif isinstance(value, dict):
        at(config, name).update(value)
    else:
        at(config, name).extend(value)


def _index(within: Any, key: str) -> str | int:
    return key if isinstance(within, dict) else int(key)
