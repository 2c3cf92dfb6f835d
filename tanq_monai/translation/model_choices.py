"""What a translator's weights are of no use without: choices of its training, in ``model.json`` beside ``model.pt``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tanq_monai.choices.config import checked
from tanq_monai.choices.documents import parse_json
from tanq_monai.errors import InputError
from tanq_monai.files import write_json
from tanq_monai.structures import STRUCTURES

# The paper's, which also hold for a model without such a file. Slices: pixels both ways, mm per pixel, mm from lowest
# to highest; styles: parts of file names that tell looks of hrT2 apart; width and blocks: of the generator; structures:
# names and values of the labels, which older files do not name.
PAPER: Mapping[str, Any] = {
    "pixels": 256,
    "pixel_mm": 0.41,
    "slab_mm": 60.0,
    "styles": [""],
    "width": 64,
    "blocks": 6,
    "structures": STRUCTURES.plain(),
}


def choices_file(model_file: str | Path) -> Path:
    """Where the choices of a model lie."""
    return Path(model_file).with_suffix(".json")


def write_choices(choices: Mapping[str, Any], model_file: str | Path) -> None:
    """Write them beside the model, completely or not at all."""
    write_json(dict(choices), choices_file(model_file))


def read_choices(model_file: str | Path | None) -> dict[str, Any]:
    """The choices of a model's training, by the names of :data:`PAPER`; the paper's where none lie beside it.

    They are the paper's as well where there is no model (None).

    Raises:
        InputError: when the file is none, or lacks a choice.
    """
    if model_file is None:
        return dict(PAPER)
    path = choices_file(model_file)
    if not path.is_file():
        return dict(PAPER)
    try:
        choices = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"is no JSON ({error})", "copy it again from the training's models folder") from error
    if isinstance(choices, dict):
        choices = {"structures": PAPER["structures"]} | choices
    if not isinstance(choices, dict) or set(choices) != set(PAPER):
        raise InputError(path, f"has not the choices {', '.join(PAPER)}", "copy it again, or remove it and give them")
    may_be_null = ("slab_mm",)
    try:
        return {name: checked(name, value, may_be_null=may_be_null) for name, value in choices.items()}
    except InputError as error:
        raise InputError(path, f"says {error}", "copy it again, or remove it and give them") from error
