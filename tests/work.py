"""Work counted in calls: time depends on what else the machine does."""

import sys
from collections.abc import Callable
from types import FrameType


def calls_of(work: Callable[[], object]) -> int:
    """How often ``work`` calls a function, of Python or of C."""
    count, before = 0, sys.getprofile()

    def count_calls(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
