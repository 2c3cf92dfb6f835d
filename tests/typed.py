"""Commands as a user types them, run in this process: several seconds of imports cheaper than one of its own."""

import runpy
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest


def run_typed(words: Sequence[str], folder: Path) -> None:
    """Run ``python -m module ...`` or ``python script.py ...`` (words without ``python``) in ``folder``.

    Raises:
        SystemExit: with the exit code, when it is not 0.
    """
    module = words[0] == "-m"
    name, *options = words[1:] if module else words
    hook = sys.excepthook
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user sees them, and goes on
        patch.chdir(folder)
        patch.setattr(sys, "argv", [name, *options])
        try:
            if module:
                runpy.run_module(name, run_name="__main__")
            else:
                runpy.run_path(name, run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
        finally:
            sys.excepthook = hook
