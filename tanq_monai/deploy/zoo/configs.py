"""What the configs of a bundle would execute: every ``_target_``, ``$`` expression, import and macro, YAML and JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from monai.bundle import ConfigParser

from tanq_monai.deploy.zoo.allowed import NETWORKS, READERS, TARGETS
from tanq_monai.deploy.zoo.expressions import IMPORTS, Aliases, called_names, check_references, imported_module
from tanq_monai.deploy.zoo.findings import Finding, RefusedError
from tanq_monai.deploy.zoo.paths import check_text

ENDINGS = (".json", ".yaml", ".yml")
TARGET = "_target_"
DESCRIPTIONS = ("metadata.json", "plans.json", "dataset.json")  # texts, of which none is taken for a path
DEBUGGER = frozenset({"_debug_", "_mode_"})
Places = list[tuple[tuple[str, ...], Any]]


def config_findings(folder: Path, files: list[str]) -> list[Finding]:
    """Everything that the configs would execute, in the order of the files.

    Args:
        folder: of the bundle.
        files: names of the configs. They are judged together, since any may be laid over any other.
    """
    contents, findings = {}, []
    for file in files:
        try:
            contents[file] = list(_leaves(ConfigParser.load_config_file(str(folder / file)), ()))
        except (ValueError, yaml.YAMLError, RecursionError, OSError) as error:
            findings.append(Finding(file, "", "a config", f"cannot be read ({_first_line(error)})"))
    aliases = _aliases(contents)
    for file, places in contents.items():
        findings += [finding for keys, value in places for finding in _judged(file, keys, value, aliases)]
    return findings


def _leaves(content: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values that hold no others, by their keys; a key of an overlay, ``+a#b``, is taken apart."""
    if isinstance(content, dict):
        for key, value in content.items():
            parts = str(key).removeprefix("+").replace("#", "::").split("::")
            yield from _leaves(value, (*keys, *parts))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _leaves(value, (*keys, str(number)))
    else:
        yield keys, content


def _aliases(contents: Mapping[str, Places]) -> Aliases:
    """What every name stands for, in any of the files; refused imports are told by :func:`_judged`."""
    aliases: dict[str, frozenset[str]] = {}
    for places in contents.values():
        for _, value in places:
            try:
                found = imported_module(value) if _is_expression(value) else None
            except RefusedError:
                continue
            if found:
                name, module = found
                aliases[name] = aliases.get(name, frozenset()) | {module}
    return aliases


def _judged(file: str, keys: tuple[str, ...], value: Any, aliases: Aliases) -> Iterator[Finding]:
    place = "::".join(keys)
    try:
        what = _executed(file, keys, value, aliases)
    except RefusedError as refusal:
        yield Finding(file, place, str(value), str(refusal))
        return
    if what:
        yield Finding(file, place, what)


def _executed(file: str, keys: tuple[str, ...], value: Any, aliases: Aliases) -> str:
    """What a value makes MONAI do, as text; "" where it is data."""
    if DEBUGGER & set(keys):
        raise RefusedError(f"sets {min(DEBUGGER & set(keys))}, which starts a debugger or hands a function on")
    if TARGET in keys:
        if keys[-1] != TARGET or value not in TARGETS:
            raise RefusedError("is a target that is not on the list")
        return f"calls {value}"
    if not isinstance(value, str):
        return ""
    _check_by_key(keys, value)
    if value.startswith("%"):
        raise RefusedError("is a macro, which puts in other files")
    if _is_expression(value):
        return _evaluated(keys, value, aliases)
    check_references(value, "::".join(keys))
    if Path(file).name not in DESCRIPTIONS:
        check_text(value)
    if "arch_kwargs" in keys or "network_class_name" in keys:
        return _located(keys, value)
    return ""


def _evaluated(keys: tuple[str, ...], value: str, aliases: Aliases) -> str:
    if imported := imported_module(value):
        if keys[:-1] != (IMPORTS,):
            raise RefusedError(f"imports outside of {IMPORTS}")
        return f"imports {imported[1]} as {imported[0]}"
    names = called_names(value, "::".join(keys), aliases)
    return f"evaluates {value[1:]}" + (f"  [{', '.join(dict.fromkeys(names))}]" if names else "")


def _check_by_key(keys: tuple[str, ...], value: str) -> None:
    """Of readers and writers MONAI imports whatever is named."""
    if "reader" in keys and value not in READERS:
        raise RefusedError(f"names a reader other than {', '.join(sorted(READERS))}")
    if "writer" in keys and not _is_expression(value):
        raise RefusedError("names a writer as text, which MONAI would import")


def _located(keys: tuple[str, ...], value: str) -> str:
    if not NETWORKS.fullmatch(value):
        raise RefusedError("is no part of a network that nnU-Net's plans may name")
    return f"builds {value}"


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("$")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
