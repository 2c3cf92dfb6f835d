"""Configs in YAML as the JSON files that ``monai.bundle.load``, MONAI Deploy and TorchScript archives know."""

import json
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser


def rendered_json(config_file: str | Path) -> str:
    """The content of a YAML config as JSON text.

    JSON has names for keys only: a dictionary with others, such as label values, becomes an expression that makes it.

    Raises:
        ValueError: when such a dictionary holds anything that MONAI would have resolved.
    """
    config = ConfigParser.load_config_file(str(config_file))
    return json.dumps(_with_names_for_keys(config), indent=2) + "\n"


def _with_names_for_keys(content: Any) -> Any:
    if isinstance(content, list):
        return [_with_names_for_keys(value) for value in content]
    if not isinstance(content, dict):
        return content
    if all(isinstance(key, str) for key in content):
        return {key: _with_names_for_keys(value) for key, value in content.items()}
    literal = repr(content)
    if any(sign in literal for sign in "@$%#"):
        raise ValueError(f"a dictionary with other keys than names must be plain, got {literal}")
    return f"${literal}"
