"""TANQ: unsupervised domain adaptation from ceT1 to hrT2 MRI for vestibular schwannoma and cochlea.

Research use only; not a medical device.
"""

import os

__version__ = "0.1.0"

# Torch asks Linux for memory in pages of 2 MB instead of 4 KB: a new feature map of 128 MB is there in half the time.
# It looks when it first needs memory, not when it is imported.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
