"""Texts in a config that lead out of the bundle."""

from tanq_monai.deploy.zoo.allowed import OTHER_FOLDERS
from tanq_monai.deploy.zoo.findings import RefusedError


def check_text(text: str, is_end: bool = False) -> None:
    """Raise :class:`RefusedError` for an address, and for a path that does not begin in the bundle's own folder.

    Args:
        text: any string of a config.
        is_end: whether something stands before it, as the folder before ``/models``.
    """
    if text in OTHER_FOLDERS:
        return
    if "://" in text:
        raise RefusedError(f"holds the address {text}")
    outside = text.startswith("~") or ".." in text.replace("\\", "/").split("/")
    if outside or (text.startswith(("/", "\\")) and not is_end):
        raise RefusedError(f"holds the path {text}, which leads out of the bundle")
