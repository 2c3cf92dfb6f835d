"""What commands print."""

import os
import sys
from collections.abc import Sequence


def print_lines(lines: Sequence[str]) -> None:
    """Print lines, whether or not someone reads to the end (`| head`)."""
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
