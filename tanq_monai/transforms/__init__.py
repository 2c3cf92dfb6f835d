"""Transforms on scans, as MONAI wants them."""
