"""Scans and labels as they lie on disk: found in folders, read once, refused in one line, written back onto their grid.

Neither torch nor MONAI nor pandas is imported, but by ``loading`` and ``writer``, which are MONAI's ways to the others.
"""
