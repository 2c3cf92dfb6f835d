"""What the configs of a bundle would execute: every ``_target_``, ``$`` expression and import, YAML and JSON."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from tanq_monai.deploy.zoo.findings import Finding, RefusedError
from tanq_monai.deploy.zoo.paths import check_text
from tanq_monai.deploy.zoo.requirements import check_statement
from tanq_monai.deploy.zoo.vocabulary import (
    KINDS,
    TARGET,
    Statement,
    is_expression,
    is_overlay_key,
    read_vocabulary,
    statements,
)
from tanq_monai.segmentation.plans import PLAIN_NAME
from tanq_monai.steps import RUN_OPTIONS

ENDINGS = (".json", ".yaml", ".yml")
METADATA, PLANS = "configs/metadata.json", "models/plans.json"
SCRIPTED = "models/model.ts/extra"  # copies of config and metadata inside TorchScript, which MONAI Deploy goes by
# Texts, not configs; though MONAI reads the first along with every config.
DESCRIPTIONS = (METADATA, PLANS, "models/dataset.json", "models/model.json", f"{SCRIPTED}/metadata.json")
# Classes that nnU-Net's plans may name; nothing that such a module has only imported.
NETWORKS = re.compile(
    r"dynamic_network_architectures\.(architectures|building_blocks)\.\w+\.[A-Z]\w+|torch\.nn\.(modules\.\w+\.)?[A-Z]\w+"
)
_ENDING = re.compile(r"(\.\w+)+", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9]\w*( \w+)*")
_REFERENCE = re.compile(r"@(?!imports\b)[A-Za-z0-9]\w*(#\w+)*")
_IMPORTS = ("imports", "+imports")


def config_findings(folder: Path, files: list[str]) -> list[Finding]:
    """Everything that the configs would execute, in the order of the files.

    Args:
        folder: of the bundle.
        files: names of the configs. Each is judged by itself: what is allowed stays so under any other.
    """
    findings = []
    for file in files:
        try:
            content = _loaded(folder / file)
        except Exception as error:  # a broken file may lead to any
            findings.append(Finding(file, "", "a config", f"cannot be read ({_first_line(error)})"))
            continue
        findings += content_findings(file, content)
    return findings


def content_findings(file: str, content: Any) -> list[Finding]:
    """As :func:`config_findings`, of what is in a file."""
    if not isinstance(content, dict):
        return [Finding(file, "", "a config", "cannot be read (it has no ids)")]
    return [finding for said in statements(content) for finding in _judged(file, said)]


def _loaded(path: Path) -> Any:
    if path.suffix != ".json":
        with path.open(encoding="utf-8") as file:
            if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(file)):
                raise RefusedError("it repeats parts of itself by YAML's aliases, which no config needs")
    return ConfigParser.load_config_file(str(path))


def _judged(file: str, said: Statement) -> Iterator[Finding]:
    place = "::".join(map(str, said.keys))
    try:
        what = _described(file, said) if file in DESCRIPTIONS else _executed(said)
    except RefusedError as refusal:
        yield Finding(file, place, str(said.value), str(refusal))
        return
    if what:
        yield Finding(file, place, what)


def _executed(said: Statement) -> str:
    """What a statement makes MONAI do, as text; "" where it is data."""
    _check_keys(said)
    vocabulary, value = read_vocabulary(), said.value
    if said.keys[-1:] == (TARGET,):
        if not isinstance(value, str) or value not in vocabulary.arguments or is_overlay_key(value):
            raise RefusedError("is a target that is not on the list")
        return f"calls {value}"
    if value is not None and not isinstance(value, str | bool | int | float):
        raise RefusedError(f"is a {type(value).__name__}, which no config needs")
    if is_expression(value):
        return _evaluated(said)
    if said.owner is not None:
        _check_argument(said)
    elif isinstance(value, str) and not said.is_kind:
        _check_plain(value)
    return ""


def _check_keys(said: Statement) -> None:
    last = said.keys[-1] if said.keys else "ids"
    if isinstance(last, int) and not isinstance(last, bool):
        return
    if not isinstance(last, str):
        raise RefusedError(f"has the key {last!r}, which is no text")
    _check_choice(last, said.value)
    if is_overlay_key(last):
        if len(said.keys) > 1 or last not in read_vocabulary().arguments:
            raise RefusedError("is laid over a place that is not on the list")
    elif last != TARGET and said.owner is None and not _KEY.fullmatch(last):
        raise RefusedError("has a key that no config needs")


def _check_choice(name: str, value: Any) -> None:
    """What no choice may be, nor one that a config hands on to a run of another."""
    if name in RUN_OPTIONS:
        raise RefusedError(f"sets {name}, which is a choice of MONAI's run itself")
    if name == "bundle_root" and value != ".":
        raise RefusedError("is another folder than the bundle's own, with configs that nobody has looked at")


def _evaluated(said: Statement) -> str:
    text = said.value
    if text in read_vocabulary().expressions:
        imported = text.removeprefix("$").strip().startswith("import ")
        if imported and not (len(said.keys) == 2 and said.keys[0] in _IMPORTS):
            raise RefusedError("imports outside of imports")
        if said.owner is not None:
            _check_argument(said)
        return text.removeprefix("$") if imported else f"evaluates {text.removeprefix('$')}"
    try:
        literal = ast.literal_eval(text.removeprefix("$").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise RefusedError("is an expression that is not on the list") from None
    _check_literal(literal, said)
    return ""


def _check_literal(value: Any, said: Statement) -> None:
    """Of data in Python's writing: JSON has no other for numbers as keys."""
    if isinstance(value, dict):
        for key, one in value.items():
            _check_choice(key, one)
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif isinstance(value, str):
        if said.owner is not None:
            raise RefusedError("is an expression that is not on the list")
        _check_plain(value)
        return
    elif value is None or isinstance(value, bool | int | float):
        return
    else:
        raise RefusedError(f"is a {type(value).__name__}, which no config needs")
    for one in inner:
        _check_literal(one, said)


def _check_argument(said: Statement) -> None:
    """An argument, and what may be given for it: many are looked up by name, or call what they are given."""
    known = read_vocabulary().arguments.get(str(said.owner), {}).get(said.path)
    where = f"{said.path} of {said.owner}" if said.path else f"{said.owner}"
    if known is None:
        raise RefusedError(f"gives {where}, which is not on the list")
    if isinstance(said.value, str) and (said.value not in known or (said.value in KINDS and not said.is_kind)):
        raise RefusedError(f"gives {where} something that is not on the list")


def _check_plain(text: str) -> None:
    """A text that MONAI takes as it is, or a reference to another id."""
    if text.startswith("@"):
        if not _REFERENCE.fullmatch(text):
            raise RefusedError("refers to something that is not the id of a choice or a component")
        return
    if any(sign in text for sign in "$@%") or text.startswith("-"):
        raise RefusedError("holds a sign that could make something else of it")
    check_text(text)


def _described(file: str, said: Statement) -> str:
    """Metadata, plans and the like: texts, of which nothing may be evaluated."""
    what = _named(said)
    if file == METADATA:
        check_statement(said.keys, said.value)
    if file == PLANS:
        _check_names(said)
    if said.keys[-1:] == ("file_ending",) and not _ENDING.fullmatch(str(said.value)):
        raise RefusedError("is no ending of a file's name")
    return what


def _check_names(said: Statement) -> None:
    """All texts in plans are names; nnU-Net makes folders of some, and empties them."""
    texts = [text for text in (*said.keys, said.value) if isinstance(text, str)]
    if not all(PLAIN_NAME.fullmatch(text) for text in (texts[:-1] if said.is_kind else texts)):
        raise RefusedError("is no plain name")


def _named(said: Statement) -> str:
    """The part of a network that is named, as text; "" for all else."""
    for key in said.keys:
        if isinstance(key, str) and (key.startswith(("$", "@", "%")) or re.search(r"(^|[#:+])_\w+_$", key)):
            raise RefusedError(f"has the key {key}, which belongs into no description")
    if not isinstance(said.value, str) or said.is_kind:
        return ""
    if said.value.startswith(("$", "@", "%")):
        raise RefusedError("is no plain text")
    if "arch_kwargs" in said.keys or "network_class_name" in said.keys:
        if not NETWORKS.fullmatch(said.value):
            raise RefusedError("is no part of a network that nnU-Net's plans may name")
        return f"builds {said.value}"
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
