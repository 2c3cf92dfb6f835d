"""Commands as a user types them, run in this process: several seconds of imports cheaper than one of its own."""

import runpy
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest


def run_typed(module: str, options: Sequence[str], folder: Path) -> None:
    """Run ``python -m {module} {options}`` in ``folder``.

    Raises:
        SystemExit: with the exit code, when it is not 0.
    """
    hook = sys.excepthook
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user sees them, and goes on
        patch.chdir(folder)
        patch.setattr(sys, "argv", [module, *options])
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
        finally:
            sys.excepthook = hook
