"""What a config says, for somebody to read: every call, every expression, every text."""

from collections.abc import Iterator
from pathlib import Path

import yaml

_VALUES = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool", "null"))


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """Line and content of all that a YAML or JSON config says, but for numbers and the like.

    Nothing of it is evaluated: it is read as text, or told that it cannot be.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        yield 1, f"cannot be read ({type(error).__name__}: {error})"
    else:
        yield from _said(root, "", set()) if root else ()


def _said(node: yaml.Node, key: str, seen: set[int]) -> Iterator[tuple[int, str]]:
    if id(node) in seen:  # YAML's aliases may repeat parts
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from _said(value, str(name.value), seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _said(value, key, seen)
    elif node.tag not in _VALUES:
        text = str(node.value)
        what = f"calls {text}" if key.endswith("_target_") else f"{key}: {text}"
        yield node.start_mark.line + 1, f"evaluates {text[1:]}" if text.startswith("$") else what
