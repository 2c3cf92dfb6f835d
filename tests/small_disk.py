"""A real file system that is soon full, in a process of its own."""

import ctypes
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import end, start

NEW_NAMESPACE, NEW_USER = 0x00020000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
REFUSED = 77


def on_small_disk(work: Callable[[Path], object], folder: Path, kilobytes: int) -> object:
    """What ``work`` returns for a folder that holds so much and no more; skipped where no process may mount one.

    Args:
        work: a function of a module; its result goes through JSON.
        folder: an empty one, for this process.
        kilobytes: of the file system.
    """
    (code,) = end(start(_mount_and_work, work, folder, kilobytes))
    if code == REFUSED:
        pytest.skip("a file system of its own may not be mounted here")
    assert code == 0
    return json.loads((folder / "result.json").read_text())


def _mount_and_work(work: Callable[[Path], object], folder: Path, kilobytes: int) -> None:
    libc, disk = ctypes.CDLL(None, use_errno=True), folder / "disk"
    disk.mkdir()
    user = os.getuid()
    if libc.unshare(NEW_NAMESPACE | (NEW_USER if user else 0)):
        os._exit(REFUSED)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    private, options = 1 << 18 | 1 << 14, f"size={kilobytes}k".encode()  # MS_PRIVATE | MS_REC: others see nothing of it
    libc.mount(b"none", b"/", None, private, None)
    if libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, options):
        os._exit(REFUSED)
    (folder / "result.json").write_text(json.dumps(work(disk)))
