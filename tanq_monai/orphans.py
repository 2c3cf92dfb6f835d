"""Processes that work for another one end with it, also where it was killed and can tell them nothing."""

import os
import threading
import time

_SECONDS = 1.0  # between two looks


def end_with(parent: int, *_: object) -> None:
    """In a process that works for another one: end it a second or so after ``parent`` has ended.

    Looks who its parent is, on every POSIX system. Linux's own signal for it (PR_SET_PDEATHSIG) comes when the thread
    has ended that made the process, which may be long before.

    Args:
        parent: the number of the process that made this one.
        *_: what else loaders tell those who prepare their workers.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os._exit(1)
