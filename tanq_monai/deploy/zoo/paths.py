"""Texts in a config that lead out of the bundle."""

import re

from tanq_monai.deploy.zoo.findings import RefusedError

OTHER_FOLDERS = frozenset({"../vs_cochlea_seg/models"})  # of feedback.yaml, for which there is no better guess
_ELSEWHERE = re.compile(r"[A-Za-z][\w+.-]*:[/\\]")  # C:/ and file:/, which urllib takes for file:///


def check_text(text: str) -> None:
    """Raise :class:`RefusedError` for an address, and for a path that does not begin in the bundle's own folder."""
    if text in OTHER_FOLDERS:
        return
    if "://" in text or _ELSEWHERE.match(text):
        raise RefusedError(f"holds the address {text}")
    outside = text.startswith("~") or ".." in text.replace("\\", "/").split("/")
    if outside or text.startswith(("/", "\\")):
        raise RefusedError(f"holds the path {text}, which leads out of the bundle")
