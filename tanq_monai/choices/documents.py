"""JSON and YAML as people write them: a name that stands twice in one mapping is a mistake, not the last value."""

import json
from collections.abc import Iterable
from typing import Any


class TwiceError(ValueError):
    """A mapping that has two values by one name."""


def parse_json(text: str | bytes) -> Any:
    """What a text in JSON says.

    Raises:
        ValueError: when it is none, or a mapping in it names something twice.
    """
    return json.loads(text, object_pairs_hook=_named_once)


def parse_yaml(text: str) -> Any:
    """What a text in YAML says.

    Raises:
        ValueError: when it is none, or a mapping in it names something twice.
    """
    import yaml  # which the runtime without torch may lack, and JSON can do without

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            _named_once((str(key.value), None) for key, _ in node.value)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def parse_flow(text: str) -> Any:
    """A list or mapping on one line, in JSON or YAML.

    Raises:
        ValueError: as :func:`parse_yaml`.
    """
    try:
        return parse_json(text)
    except TwiceError:
        raise
    except ValueError:
        return parse_yaml(text)


def _named_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise TwiceError(f"{name!r} is named twice")
        content[name] = value
    return content
