"""What an ONNX file says of itself, read without any engine."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tanq_monai.errors import InputError

_METADATA, _KEY, _VALUE = 14, 1, 2  # numbers of fields: metadata_props of ModelProto, and what one of them has
_NUMBER, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}  # protobuf's kinds of fields; the last ones' sizes


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
        if "task" in texts:
            return {name: json.loads(text) for name, text in texts.items()}
    except (ValueError, LookupError) as error:
        raise InputError(path, f"cannot be opened ({error})", "export it again") from error
    raise InputError(path, "does not say what it is", "give a file of `python -m tanq_monai export-onnx`")


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
