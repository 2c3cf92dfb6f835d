"""What the name of a scan says: ``{case}_ceT1.nii.gz`` and the like, as crossMoDA has them. Imports nothing large."""

from collections.abc import Collection
from pathlib import Path

from tanq_monai.errors import InputError

SOURCE = ("ceT1",)
TARGET_DOMAIN = ("hrT2", "T2")
LABEL = "Label"
CONTRASTS = {"ceT1": SOURCE, "hrT2": TARGET_DOMAIN}
SUFFIXES = (*SOURCE, *TARGET_DOMAIN, LABEL)


def contrast_of(suffixes: Collection[str]) -> str | None:
    """The contrast of ``CONTRASTS`` that all the suffixes are of, None when they are of several."""
    return next((contrast for contrast, own in CONTRASTS.items() if set(suffixes) <= set(own)), None)


def check_name(path: Path, contrast: str) -> None:
    """Raise when the name of a NIfTI file ends as those of labels or of another contrast do; other names may be any.

    Args:
        path: of the file, ``.nii`` or ``.nii.gz``.
        contrast: one of ``CONTRASTS``.

    Raises:
        InputError: when it does.
    """
    suffix = path.name.removesuffix(".gz").removesuffix(".nii").rpartition("_")[2]
    others = {other.lower() for other in SUFFIXES if other not in CONTRASTS[contrast]}
    if suffix.lower() in others:
        raise InputError(path, f"is no {contrast} by its name", f"give {contrast}, or its right name to a file of it")
