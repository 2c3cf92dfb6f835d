"""One pass over a folder of scans before anything is trained on it: what cannot be used, and what to look at.

By the readers that training and inference have: what passes here is taken there.
"""

from tanq_monai.check.dataset import DatasetCheck, check_dataset

__all__ = ["DatasetCheck", "check_dataset"]
