"""What an engine says of inputs that a network does not take, in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tanq_monai.errors import InputError


def refusal(model_file: str | Path, inputs: Mapping[str, NDArray[Any]], error: Exception) -> InputError:
    """The mistake of a file whose network cannot compute what the file says it does.

    Args:
        model_file: the file.
        inputs: by name, of the sizes that the file says.
        error: of the engine.
    """
    sizes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
    reason = " ".join(str(error).split())[:200]
    return InputError(model_file, f"cannot be run on {sizes} ({reason})", "export it again")
