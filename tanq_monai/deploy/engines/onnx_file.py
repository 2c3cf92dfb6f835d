"""What an ONNX file says of itself, read without any engine."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tanq_monai.choices.documents import parse_json
from tanq_monai.choices.kinds import Entries, Items, Kind, Misfit, Number, Text, Whole
from tanq_monai.choices.table import CHOICES
from tanq_monai.errors import InputError
from tanq_monai.files import sha256_of
from tanq_monai.scans.naming import CONTRASTS
from tanq_monai.structures import Structures

_METADATA, _KEY, _VALUE = 14, 1, 2  # numbers of fields: metadata_props of ModelProto, and what one of them has
WEIGHTS_FILE, WEIGHTS_NAME = "weights_file", "model.pt"  # the property, and the file whose SHA-256 it is
_EXPORT = "export it again with `python -m tanq_monai export-onnx`"
_NUMBER, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}  # protobuf's kinds of fields; the last ones' sizes

KINDS: dict[str, dict[str, Kind]] = {
    "segmentation": {
        "modality": Text(),
        "classes": Entries(Whole(0, 255)),
        "spacing": Items(Number(above=0, most=100), 2, 3),
        "patch_size": Items(Whole(1, 4096), 2, 3),
        "transpose": Items(Whole(0, 2), 3, 3),
        "normalization": Entries(),
        "interpolation": Entries(Entries()),
    },
    "translation": {
        "modality": Text(),
        "spacing": CHOICES["pixel_mm"].kind,
        **{name: CHOICES[name].kind for name in ("pixels", "slab_mm", "styles")},
    },
}
"""What a file says of every task's scans, and what that may be."""


def read_properties(model_file: str | Path) -> dict[str, Any]:
    """The properties of a file of ours, see :mod:`tanq_monai.deploy.export`; the network itself is passed over.

    Raises:
        InputError: when there is no such file, it is no ONNX file, or one of another program.
    """
    path = Path(model_file)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "is missing"
        raise InputError(path, problem, "export it with `python -m tanq_monai export-onnx`, or fetch the bundle")
    try:
        with path.open("rb") as file:
            entries = [dict(_contents(io.BytesIO(entry))) for number, entry in _contents(file) if number == _METADATA]
        texts = {entry[_KEY].decode(): entry[_VALUE].decode() for entry in entries}
        properties = {name: parse_json(text) for name, text in texts.items()} if "task" in texts else {}
    except (OSError, ValueError, LookupError, RecursionError) as error:
        raise InputError(path, f"cannot be opened ({error})", "export it again") from error
    task = properties.get("task")
    if not isinstance(task, str) or task not in KINDS:
        raise InputError(path, "does not say what it is", "give a file of `python -m tanq_monai export-onnx`")
    for name, kind in KINDS[task].items():
        _check(properties, name, kind, path)
    if properties["modality"] not in CONTRASTS:
        raise InputError(path, f"is for {properties['modality']} scans", f"give one for {' or '.join(CONTRASTS)}")
    if task == "translation" and "structures" in properties:  # which older files do not say
        _check(properties, "structures", CHOICES["structures"].kind, path)
    if "mirror_axes" in properties:  # which older files do not say, either
        _check(properties, "mirror_axes", Items(Whole(0, 2), 0), path)
    if "classes" in properties:
        _structures_of(properties["classes"], path).check_order(path)
    return properties


def read_usable(model_file: str | Path) -> dict[str, Any]:
    """As :func:`read_properties`, of a file that can be run: where its weights lie in another file, that is the one.

    Raises:
        InputError: as there; when the file of the weights is missing, or is not the one that it was made of.
    """
    properties = read_properties(model_file)
    if WEIGHTS_FILE in properties:
        weights = Path(model_file).with_name(WEIGHTS_NAME)
        if not weights.is_file():
            raise InputError(weights, f"is missing, and {Path(model_file).name} has its weights there", _EXPORT)
        if sha256_of(weights) != properties[WEIGHTS_FILE]:
            raise InputError(model_file, f"is of another {WEIGHTS_NAME} than the one beside it", _EXPORT)
    return properties


def _check(properties: Mapping[str, Any], name: str, kind: Kind, path: Path) -> None:
    may_be_null = name == "slab_mm"
    if name not in properties:
        raise InputError(path, f"does not say its {name}", "export it again")
    try:
        if not (may_be_null and properties[name] is None):
            kind.parse(properties[name])
    except Misfit as error:
        raise InputError(path, f"says {name} {properties[name]!r}, which {error}", "export it again") from error


def _structures_of(classes: Any, path: Path) -> Structures:
    """All classes but the one of value 0."""
    try:
        return Structures({name: value for name, value in Entries(Whole(0, 255)).parse(classes).items() if value})
    except (Misfit, InputError) as error:
        raise InputError(path, f"says classes {classes!r}, which name no structures", "export it again") from error


def _contents(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Number and content of every field of bytes but the graph, which is the large one."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    while file.tell() < size:
        number, kind = divmod(_varint(file), 8)
        if kind == _NUMBER:
            _varint(file)
            continue
        if kind != _BYTES and kind not in _FIXED:
            raise ValueError("it is no ONNX file")
        length = _varint(file) if kind == _BYTES else _FIXED[kind]
        if file.tell() + length > size:
            raise ValueError("it is cut off, or no ONNX file")
        if kind == _BYTES and number in (_METADATA, _KEY, _VALUE):
            yield number, file.read(length)
        else:
            file.seek(length, io.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            raise ValueError("it is cut off, or no ONNX file")
        value |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return value
