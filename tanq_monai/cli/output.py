"""What commands print, and what all of them leave in a folder of results."""

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tanq_monai.choices.kinds import Place
from tanq_monai.choices.table import CHOICES, OPTIONS
from tanq_monai.provenance import write_provenance


def print_lines(lines: Sequence[str]) -> None:
    """Print lines, whether or not someone reads to the end (`| head`)."""
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end


def leave_provenance(
    command: Callable[..., object],
    values: Mapping[str, Any],
    inputs: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Write ``provenance.json`` where the results of a command lie.

    Args:
        command: the function.
        values: its local names, among them its parameters.
        inputs: SHA-256 of what was read, by name. Default: of all files in the places that the command was given.
        folder: of the results. Default: its ``output_dir``, where it was given one.
    """
    choices = {name: values[name] for name in inspect.signature(command).parameters}
    folder = folder or choices["output_dir"]
    if folder is None:
        return
    given = [name for name in choices if name != "output_dir" and isinstance((CHOICES | OPTIONS)[name].kind, Place)]
    places = [one for name in given for one in _several(choices[name])]
    write_provenance(Path(folder), command.__name__.replace("_", "-"), choices, places if inputs is None else inputs)


def _several(value: Any) -> list[Path]:
    return [Path(one) for one in (value if isinstance(value, tuple) else (value,)) if one is not None]
