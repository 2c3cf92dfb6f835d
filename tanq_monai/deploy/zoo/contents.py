"""What a bundle may hold besides configs: files by name, the copy of the package, weights, how messages are written."""

import ast
import configparser
import hashlib
import json
import re
from pathlib import Path

import torch

import tanq_monai
from tanq_monai.deploy.zoo.configs import content_findings
from tanq_monai.deploy.zoo.findings import Finding

PACKAGE = "tanq_monai"
CODE = "code"  # what a finding is of a file of its copy
INSTALLED = Path(tanq_monai.__file__).parent
LOGGING = "configs/logging.conf"
WEIGHTS, TORCHSCRIPT = "models/model.pt", "models/model.ts"
_EXPECTED = re.compile(
    r"LICENSE|configs/([\w-]+/)?[\w-]+\.(yaml|json)|configs/logging\.conf|docs/[\w./-]+\.(md|png|txt|csv)"
    r"|models/(model\.(pt|ts|onnx)|(plans|dataset|model)\.json)|tanq_monai/[\w./-]+"
)
_LOGGING = {  # what the file may set, and to what; None: anything
    **dict.fromkeys(("keys", "level", "handlers", "formatter", "format", "datefmt", "qualname", "propagate")),
    "class": ("StreamHandler",),
    "args": ("(sys.stderr,)", "(sys.stdout,)"),
}
_RECORDS = re.compile(  # what torch itself writes into TorchScript, and MONAI and we beside it
    r"code/[\w./]+\.py(\.debug_pkl)?|(constants|data|traced_inputs)(\.pkl|/\d+)|version|byteorder"
    r"|\.data/serialization_id|extra/(inference|metadata)\.json"
)
_OF_FILES = frozenset({"save", "load", "from_file", "_save", "ops"})  # TorchScript that leaves the network


def name_findings(files: list[str]) -> list[Finding]:
    """Files that no bundle of ours needs: anything that Python, or a program that opens the folder, might run."""
    return [Finding(file, "", "a file", "no bundle needs it") for file in files if not _EXPECTED.fullmatch(file)]


def package_findings(folder: Path, files: list[str]) -> list[Finding]:
    """Whether the package's copy is, byte for byte, the package that is installed here."""
    copied = {file.removeprefix(f"{PACKAGE}/") for file in files if file.startswith(f"{PACKAGE}/")}
    if not copied:
        return []
    here = {path.relative_to(INSTALLED).as_posix() for path in INSTALLED.rglob("*") if path.is_file()}
    here = {name for name in here if "__pycache__" not in name}
    different = [name for name in copied & here if _digest(folder / PACKAGE / name) != _digest(INSTALLED / name)]
    reason = f"differs from the installed tanq_monai {tanq_monai.__version__}"
    findings = [Finding(f"{PACKAGE}/{name}", "", CODE, reason) for name in sorted({*different, *(copied - here)})]
    findings += [Finding(f"{PACKAGE}/{name}", "", CODE, "is missing") for name in sorted(here - copied)]
    same = f"{len(copied)} files, those of the installed tanq_monai {tanq_monai.__version__}"
    return findings or [Finding(PACKAGE, "", same)]


def logging_findings(path: Path) -> list[Finding]:
    """Python's logging evaluates the classes, arguments and defaults that this file names."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, UnicodeDecodeError):
        return [Finding(LOGGING, "", "logging", "cannot be read")]
    findings = []
    for section in (parser.default_section, *parser.sections()):
        for key, value in parser[section].items():
            allowed = _LOGGING.get(key, ())
            refused = None if allowed is None or value in allowed else f"is not {' or '.join(allowed) or 'needed'}"
            if refused or allowed:
                findings.append(Finding(LOGGING, f"{section}::{key}", value, refused))
    return findings


def weights_findings(path: Path) -> list[Finding]:
    """Whether ``model.pt`` is a dictionary of tensors, which torch reads without calling anything else."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a broken pickle may lead to any
        return [Finding(WEIGHTS, "", "a pickle", "torch does not read it as mere weights")]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        return [Finding(WEIGHTS, "", "a pickle", "holds other things than tensors by name")]
    return [Finding(WEIGHTS, "", f"{len(content)} tensors")]


def torchscript_findings(path: Path) -> list[Finding]:
    """Code in TorchScript that reads or writes files, or calls what is no part of torch, and the config in it.

    It is taken apart by torch's own reader: of a name that is there twice, others read another one.
    """
    try:
        archive = torch._C.PyTorchFileReader(str(path))
        names = archive.get_all_records()
        sources = [archive.get_record(name).decode() for name in names if name.endswith(".py")]
        called = {attribute for source in sources for attribute in _called_attributes(ast.parse(source))}
        extras = {name: json.loads(archive.get_record(name)) for name in names if name.startswith("extra/")}
    except (RuntimeError, SyntaxError, UnicodeDecodeError, RecursionError, ValueError):
        return [Finding(TORCHSCRIPT, "", "TorchScript", "cannot be read")]
    unknown = [name for name in names if not _RECORDS.fullmatch(name)]
    if unknown or len({name.casefold() for name in names}) < len(names):
        told = f"holds {unknown[0]}, which torch does not write" if unknown else "holds a file twice"
        return [Finding(TORCHSCRIPT, "", "TorchScript", told)]
    forbidden = sorted(called & _OF_FILES)
    refused = f"uses {', '.join(forbidden)}" if forbidden else None
    findings = [Finding(TORCHSCRIPT, "", f"TorchScript of {len(called)} kinds of calls", refused)]
    for name, content in extras.items():
        findings += content_findings(f"{TORCHSCRIPT}/{name}", content)
    return findings


def _called_attributes(tree: ast.AST) -> set[str]:
    calls = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_attribute(node.func)}  # type: ignore[attr-defined]
    namespaces = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "ops"}
    return calls | namespaces


def _is_attribute(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute)


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
