"""TANQ: unsupervised domain adaptation from ceT1 to hrT2 MRI for vestibular schwannoma and cochlea.

Research use only; not a medical device.
"""

__version__ = "0.1.0"
FULL_INSTALLATION = 'python -m pip install "tanq-monai[full]"'  # what a small one lacks
RESEARCH_ONLY = "Research use only. Not a medical device, not for diagnosis or treatment."
