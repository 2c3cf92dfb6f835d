"""What the configs of our own bundles say, and so all that the configs of a published bundle may say.

`scripts/zoo_vocabulary.py` writes ``vocabulary.json`` from the bundles of this repository, and a test keeps it so.
Judging what an unknown expression might do is hopeless, since Python reaches everything from anything; comparing it
with known ones is not.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("vocabulary.json")
TARGET = "_target_"
COMPONENT, DICT, LIST, NUMBER = KINDS = ("<component>", "<dict>", "<list>", "<number>")  # in place of a text
Keys = tuple[Any, ...]
Arguments = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Statement:
    """A value in a config, or that there is a component, a dictionary or a list.

    Attributes:
        keys: that lead to it.
        value: what it is, or one of the kinds.
        owner: whose argument it is part of: a target's, or that of a key of an overlay; None: of nothing.
        path: inside the owner: the argument, then ``.key`` and ``[]``.
        is_kind: whether ``value`` is a kind.
    """

    keys: Keys
    value: Any
    owner: str | None = None
    path: str = ""
    is_kind: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """What may be said.

    Attributes:
        expressions: every ``$`` text.
        arguments: of every owner the paths, and of every path the texts and kinds.
    """

    expressions: frozenset[str]
    arguments: Arguments


def statements(content: Any, keys: Keys = (), owner: str | None = None, path: str = "") -> Iterator[Statement]:
    """Everything that a config says, in order."""
    if isinstance(content, dict) and TARGET in content:
        yield Statement(keys, COMPONENT, owner, path, is_kind=True)
        target = content[TARGET]
        yield Statement((*keys, TARGET), target)
        for key, value in content.items():
            if key != TARGET:
                yield from statements(value, (*keys, key), str(target), str(key))
    elif isinstance(content, dict):
        yield Statement(keys, DICT, owner, path, is_kind=True)
        for key, value in content.items():
            if owner is None and is_overlay_key(key):
                yield from statements(value, (*keys, key), key)
            else:
                yield from statements(value, (*keys, key), owner, f"{path}.{key}")
    elif isinstance(content, list):
        yield Statement(keys, LIST, owner, path, is_kind=True)
        for number, value in enumerate(content):
            yield from statements(value, (*keys, number), owner, f"{path}[]")
    else:
        yield Statement(keys, content, owner, path)


def is_overlay_key(key: Any) -> bool:
    """Whether a key reaches into another config: ``a#b`` or ``+a``."""
    return isinstance(key, str) and any(sign in key for sign in "#+:")


def collect(contents: Iterable[Any]) -> Vocabulary:
    """The vocabulary of configs."""
    expressions, arguments = set(), dict[str, dict[str, set[str]]]()
    for content in contents:
        for said in statements(content):
            if is_expression(said.value):
                expressions.add(said.value)
            if said.keys[-1:] == (TARGET,):
                arguments.setdefault(said.value, {})
            elif said.owner is not None:
                text = said.value if isinstance(said.value, str) else NUMBER
                arguments.setdefault(said.owner, {}).setdefault(said.path, set()).add(text)
    ordered = {name: {p: sorted(texts) for p, texts in sorted(own.items())} for name, own in sorted(arguments.items())}
    return Vocabulary(frozenset(expressions), ordered)


def is_expression(value: Any) -> bool:
    """Whether MONAI evaluates a value."""
    return isinstance(value, str) and value.startswith("$")


def to_json(vocabulary: Vocabulary) -> str:
    """As ``vocabulary.json`` holds it."""
    content = {"expressions": sorted(vocabulary.expressions), "arguments": vocabulary.arguments}
    return json.dumps(content, indent=1) + "\n"


@cache
def read_vocabulary() -> Vocabulary:
    """That of ``vocabulary.json``."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return Vocabulary(frozenset(content["expressions"]), content["arguments"])
