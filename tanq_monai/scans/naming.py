"""What the name of a file says: ``{case}_ceT1.nii.gz`` and the like, as crossMoDA has them. Imports nothing large."""

from collections.abc import Collection
from pathlib import Path

from tanq_monai.errors import InputError

SOURCE = ("ceT1",)
TARGET_DOMAIN = ("hrT2", "T2")
LABEL = "Label"
CONTRASTS = {"ceT1": SOURCE, "hrT2": TARGET_DOMAIN}
SUFFIXES = (*SOURCE, *TARGET_DOMAIN, LABEL)
CHANNEL = "0000"  # of the only channel of nnU-Net's raw data sets
SITES = ("ldn", "etz", "ukm")
"""London, Tilburg and the United Kingdom's other hospitals."""

OTHER_SITE = "other"
ENDINGS = (".nii.gz", ".nii")  # of NIfTI files, in upper or lower case
ENDING = ENDINGS[0]  # of those that are written
RESULTS = (LABEL, "Confidence", "Agreement")  # suffixes of them
LABEL_ENDING, CONFIDENCE_ENDING, AGREEMENT_ENDING = (f"_{one}{ENDING}" for one in RESULTS)
"""Of what a segmenter writes of a case: the labels; the mean probability of the label that won, and the share of the
models that voted for it, [0, 1]."""
STRUCTURE_SET_ENDING = "_RTSTRUCT.dcm"
"""Of the contours that a segmenter writes of a case that is a DICOM series."""

KNOWN = (*SUFFIXES, *RESULTS[1:])
"""All suffixes that a name may have."""


def is_nifti(path: Path) -> bool:
    """Whether a file is a NIfTI file by its name; ``._`` files of macOS and files that are being written are none.

    Neither is a folder.
    """
    return path.name.lower().endswith(ENDINGS) and not path.name.startswith(".") and not path.is_dir()


def stem(path: str | Path) -> str:
    """The name without the ending of a NIfTI file; it may have dots itself."""
    name = Path(path).name
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def suffix_of(path: str | Path) -> str:
    """``ceT1`` of ``.../crossmoda2021_ldn_7_ceT1.nii.gz``."""
    return stem(path).rpartition("_")[2]


def case_of(path: str | Path) -> str:
    """``crossmoda2021_ldn_7`` of ``.../crossmoda2021_ldn_7_{ceT1,0000}.nii.gz``; of a DICOM folder its name."""
    name = stem(path)
    if name in ("", ".."):  # `.`, or the folder above
        name = Path(path).resolve().name
    case, _, suffix = name.rpartition("_")
    return case if case and suffix in (*SUFFIXES, CHANNEL) else name


def site_of(case: str) -> str:
    """``etz`` of ``crossmoda2022_etz_7``; ``other`` where no part of the name is one of :data:`SITES`."""
    return next((part for part in case.split("_") if part in SITES), OTHER_SITE)


def name_by_case(meta: dict[str, str], transform: object) -> dict[str, str | None]:
    """For MONAI's ``SaveImaged(output_name_formatter=...)``: ``{case}_{postfix}.nii.gz``.

    MONAI takes an ending off the name, which therefore has one: else it would be what follows the last dot of the case.
    """
    return {"subject": f"{case_of(meta['filename_or_obj'])}{ENDING}", "idx": None}


def contrast_of(suffixes: Collection[str]) -> str | None:
    """The contrast of ``CONTRASTS`` that all the suffixes are of, None when they are of several."""
    return next((contrast for contrast, own in CONTRASTS.items() if set(suffixes) <= set(own)), None)


def check_name(path: Path, contrast: str) -> None:
    """Raise when the name of a NIfTI file ends as those of results or of another contrast do; other names may be any.

    Args:
        path: of the file.
        contrast: one of ``CONTRASTS``.

    Raises:
        InputError: when it does.
    """
    others = {other.lower() for other in KNOWN if other not in CONTRASTS[contrast]}
    if suffix_of(path).lower() in others:
        raise InputError(path, f"is no {contrast} by its name", f"give {contrast}, or its right name to a file of it")
