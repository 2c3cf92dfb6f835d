"""``provenance.json``, one in every folder of results: what was run, on what, by which versions, on which machine."""

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tanq_monai
from tanq_monai.files import sha256_of, write_json

PROVENANCE = "provenance.json"
FILES = "files"  # of a raw data set: what each of its files was made of
_PACKAGES = (
    "torch",
    "monai",
    "nnunetv2",
    "pytorch-ignite",
    "numpy",
    "scipy",
    "nibabel",
    "pydicom",
    "onnxruntime",
    "openvino",
)


def write_provenance(
    folder: Path, command: str, choices: Mapping[str, Any], inputs: Mapping[str, str] | Iterable[Path]
) -> None:
    """Write down in a folder of results what made them; what is there of an earlier run is replaced.

    Args:
        folder: of the results.
        command: that was run.
        choices: all of them, those that nobody made as well.
        inputs: SHA-256 of each, by its name; or files, and folders whose files are meant, hidden ones not.

    Raises:
        InputError: when there is no room, or nothing may be written there.
    """
    digests = inputs if isinstance(inputs, Mapping) else digests_of(inputs, leave_out=folder)
    content = {
        **environment(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "choices": {name: _plain(value) for name, value in choices.items()},
        "seed": choices.get("seed"),
        "inputs": dict(sorted(digests.items())),
    }
    write_json(content, folder / PROVENANCE)


def environment() -> dict[str, Any]:
    """Versions and machine, without its name."""
    return {
        "versions": {"tanq-monai": tanq_monai.__version__, "python": platform.python_version(), **_versions()},
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "processor": platform.machine(),  # `platform.processor` would start a program
            "cores": os.cpu_count(),
        },
    }


def digests_of(places: Iterable[Path], leave_out: Path) -> dict[str, str]:
    """SHA-256 of files, and of all files in and below folders, by their paths below the place that was named.

    But for hidden ones and for what says how they were made, whose dates would make the same inputs others.

    Args:
        places: files and folders.
        leave_out: a folder that is not gone into: that of the results.
    """
    return {
        name: sha256_of(file)
        for label, place in _labelled(list(places))
        for name, file in _named(label, place, leave_out.resolve())
        if file.is_file()
    }


def _labelled(places: list[Path]) -> Iterable[tuple[Path, Path]]:
    """Every place under its name, with as many folders before it as tell it from the others."""
    whole = list(dict.fromkeys(Path(os.path.abspath(place)) for place in places))  # links keep their names
    depth = 1
    while len({place.parts[-depth:] for place in whole}) < len(whole):
        depth += 1
    return [(Path(*place.parts[-depth:]), place) for place in whole]


def _named(label: Path, place: Path, leave_out: Path) -> Iterable[tuple[str, Path]]:
    if not place.is_dir():
        yield label.as_posix(), place
        return
    for name, folders, names in os.walk(place):
        here = Path(name)
        folders[:] = sorted(one for one in folders if not one.startswith(".") and (here / one).resolve() != leave_out)
        if here.resolve() != leave_out:
            for one in sorted(names):
                if not one.startswith(".") and one != PROVENANCE:
                    yield (label / here.relative_to(place) / one).as_posix(), here / one


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """What JSON takes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
