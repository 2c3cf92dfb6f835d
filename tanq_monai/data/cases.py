"""From a folder of scans to a list of cases, by the file names of crossMoDA.

A case is ``{case}_ceT1.nii.gz`` or ``{case}_hrT2.nii.gz`` with, where there is one, ``{case}_Label.nii.gz``; or a
folder that holds one DICOM series. Files that cannot be used become problems, which do not stop the other cases.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tanq_monai.data.checks import check_image, check_label, is_dicom
from tanq_monai.errors import InputError, InputErrors

SOURCE = ("ceT1",)
TARGET_DOMAIN = ("hrT2", "T2")
ENDING = ".nii.gz"
Case = dict[str, str]


@dataclass
class Scan:
    """What a folder holds: usable ``cases`` (dicts with ``case``, ``image``, perhaps ``label``), and ``problems``."""

    cases: list[Case] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)

    def raise_problems(self) -> None:
        """Raise all problems at once. Call it when the good cases are done."""
        if self.problems:
            raise InputErrors(self.problems)


def find_images(folder: str | Path, suffixes: tuple[str, ...] = TARGET_DOMAIN) -> Scan:
    """The images below ``folder`` whose names end in ``_{suffix}.nii.gz``, or the DICOM series that it is.

    Raises:
        InputError: when the folder does not exist or holds no image.
    """
    return _scan(Path(folder), suffixes, lambda case, image: {})


def find_labelled(
    folder: str | Path,
    labels: str | Path | None = None,
    suffixes: tuple[str, ...] = SOURCE,
    required: bool = True,
) -> Scan:
    """The images of ``folder`` with their labels.

    Args:
        folder: as in :func:`find_images`.
        labels: a folder of ``{case}_Label.nii.gz``, or one label file for a single case; default ``folder``.
        suffixes: of the images.
        required: whether a case without a label is a problem.
    """
    folder, labels = Path(folder), Path(labels or folder)
    found: set[Path] = set()

    def label_of(case: str, image: Path) -> Case:
        path = labels if labels.is_file() else labels / f"{case}_Label{ENDING}"
        if not path.exists():
            if required:
                raise InputError(path, f"is missing, the label of {image.name}", "add it or take the case out")
            return {}
        if path in found:
            raise InputError(image, f"is the second image for {path}", "give every image a label of its own")
        found.add(path)
        check_label(path, image)
        return {"label": str(path)}

    return _scan(folder, suffixes, label_of)


def case_of(path: str | Path) -> str:
    """``crossmoda2021_ldn_7`` of ``.../crossmoda2021_ldn_7_ceT1.nii.gz``; of a DICOM folder its name."""
    name = Path(path).name.removesuffix(ENDING)
    stem, _, suffix = name.rpartition("_")
    return stem if stem and suffix in (*SOURCE, *TARGET_DOMAIN, "Label") else name


def name_by_case(meta: dict[str, str], transform: object) -> dict[str, str | None]:
    """For MONAI's ``SaveImaged(output_name_formatter=...)``: ``{case}_{postfix}.nii.gz``."""
    return {"subject": case_of(meta["filename_or_obj"]), "idx": None}


def _scan(folder: Path, suffixes: tuple[str, ...], extras: Callable[[str, Path], Case]) -> Scan:
    scan = Scan()
    for image in _image_paths(folder, suffixes, scan):
        case = case_of(image)
        try:
            if any(case == other["case"] for other in scan.cases):
                raise InputError(image, f"is the second image of {case}", "keep one, or give it a name of its own")
            check_image(image)
            scan.cases.append({"case": case, "image": str(image), **extras(case, image)})
        except InputError as error:
            scan.problems.append(error)
    if not scan.cases and not scan.problems:
        wanted = " or ".join(f"*_{suffix}{ENDING}" for suffix in suffixes)
        raise InputError(folder, "holds no image", f"give a folder with {wanted}, or one DICOM series")
    return scan


def _image_paths(folder: Path, suffixes: tuple[str, ...], scan: Scan) -> list[Path]:
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder that holds the scans")
    if any(is_dicom(path) for path in folder.iterdir()):
        return [folder]
    images = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        suffix = path.name.removesuffix(ENDING).rpartition("_")[2]
        if suffix in suffixes:
            images.append(path)
        elif suffix not in (*SOURCE, *TARGET_DOMAIN, "Label"):
            scan.problems.append(
                InputError(path, "its name is outside the layout", f"call it CASE_{suffixes[0]}{ENDING}")
            )
    return images
