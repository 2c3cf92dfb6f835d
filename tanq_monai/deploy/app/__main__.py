"""``python -m tanq_monai.deploy.app``."""

import os
import resource
import sys

STACK_BYTES = 32 * 1024**2  # holoscan may crash with less, as it warns

# Threads get the stack that was the limit when the process started, so the process starts again, before any import of
# MONAI: that imports MONAI Deploy, and that holoscan.
soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
if resource.RLIM_INFINITY != soft < STACK_BYTES and (hard == resource.RLIM_INFINITY or hard >= STACK_BYTES):
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

from tanq_monai.deploy.app.command import main  # noqa: E402

main()
