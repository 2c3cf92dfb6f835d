"""From a folder of scans to a list of cases, by the file names of crossMoDA.

A case is ``{case}_ceT1.nii.gz`` or ``{case}_hrT2.nii.gz`` with, where there is one, ``{case}_Label.nii.gz``; or a
folder that holds one DICOM series; or nnU-Net's raw data set. Files that cannot be used become problems, which do not
stop the other cases.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tanq_monai.data.checks import check_label
from tanq_monai.data.dicom import is_dicom
from tanq_monai.data.images import check_header, check_image
from tanq_monai.data.names import LABEL, SOURCE, SUFFIXES, TARGET_DOMAIN, contrast_of
from tanq_monai.data.raw_dataset import CHANNEL, ENDING, IMAGES, is_raw_dataset, label_values, raw_cases
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.metrics import STRUCTURES

Case = dict[str, str]
Check = Callable[[Case], None]


@dataclass
class Scan:
    """What a folder holds: usable ``cases``, dicts with ``case`` and ``image``, and ``problems``.

    Labelled cases have ``patient``, whose scan it is, and perhaps ``label``.
    """

    cases: list[Case] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)

    def raise_problems(self) -> None:
        """Raise all problems at once. Call it when the good cases are done."""
        if self.problems:
            raise InputErrors(self.problems)


def find_images(folder: str | Path, suffixes: tuple[str, ...] = TARGET_DOMAIN, contents: bool = True) -> Scan:
    """The images below ``folder`` whose names end in ``_{suffix}.nii.gz``, or the DICOM series that it is.

    Args:
        folder: of the scans; of nnU-Net's raw data set, all its images are taken.
        suffixes: of the images.
        contents: check the voxels, too, which takes about a second a scan; otherwise call :func:`check_contents` later.

    Raises:
        InputError: when the folder does not exist or holds no image.
    """
    return _scan(Path(folder), suffixes, check_contents if contents else None, lambda case, image: {})


def find_labelled(
    folder: str | Path,
    labels: str | Path | None = None,
    suffixes: tuple[str, ...] = SOURCE,
    required: bool = True,
    contents: bool = True,
    structures: Mapping[str, int] = STRUCTURES,
    ignore: bool = False,
) -> Scan:
    """The images of ``folder`` with their labels, and whose they are: the translations of one scan are one patient's.

    Args:
        folder: as in :func:`find_images`, or nnU-Net's raw data set, which brings its labels.
        labels: a folder of ``{case}_Label.nii.gz``, or one label file for a single case; default ``folder``.
        suffixes: of the images.
        required: whether a case without a label is a problem.
        contents: as in :func:`find_images`.
        structures: names and values of the labels.
        ignore: labels may hold nnU-Net's ignore value, too, the one above those of the structures.

    Raises:
        InputError: as :func:`find_images`; when the structures are not numbered 1, 2, 3, ..., or a raw data set has
            others.
    """
    folder, labels = Path(folder), Path(labels or folder)
    label_values(structures, ignore)  # a mistake in them is told once, not for every label
    check = partial(check_contents, structures=structures, ignore=ignore) if contents else None
    if is_raw_dataset(folder):
        scan, listed = Scan(), {case["case"]: case for case in raw_cases(folder, structures)}
        for name in listed:
            _add(scan, name, Path(listed[name]["image"]), None, check, lambda case, _: listed[case])
        return scan
    found: set[Path] = set()

    def label_of(case: str, image: Path) -> Case:
        path = labels if labels.is_file() else labels / f"{case}_{LABEL}{ENDING}"
        if not path.exists():
            if required:
                raise InputError(path, f"is missing, the label of {image.name}", "add it or take the case out")
            return {"patient": case}
        if path in found:
            raise InputError(image, f"is the second image for {path}", "give every image a label of its own")
        found.add(path)
        return {"patient": case, "label": str(path)}

    return _scan(folder, suffixes, check, label_of)


def check_contents(case: Case, structures: Mapping[str, int] = STRUCTURES, ignore: bool = False) -> None:
    """Raise unless image and label of a case can be used, voxel by voxel; labels as in :func:`find_labelled`."""
    check_image(Path(case["image"]))
    if "label" in case:
        check_label(Path(case["label"]), Path(case["image"]), structures, ignore)


def problems_of(cases: Iterable[Case], structures: Mapping[str, int] = STRUCTURES) -> list[InputError]:
    """What is wrong with which case, voxels included."""
    problems = []
    for case in cases:
        try:
            check_contents(case, structures)
        except InputError as error:
            problems.append(error)
    return problems


def style_of(case: str, styles: Sequence[str]) -> int:
    """The number of the first of ``styles`` that is a part of the case's name: ldn of ``crossmoda2021_ldn_7``.

    Raises:
        InputError: when there is none.
    """
    for number, style in enumerate(styles):
        if style in case:
            return number
    raise InputError(case, f"has none of the styles {list(styles)} in its name", "choose one of them as style")


def with_styles(cases: Sequence[Case], styles: Sequence[str], style: str | None = None) -> list[dict[str, str | int]]:
    """The cases with ``style``, the number of theirs: that of ``style``, or of their names (:func:`style_of`)."""
    if style is None:
        return [case | {"style": style_of(case["case"], styles)} for case in cases]
    if style not in styles:
        raise InputError(f"style {style}", "is none that the translator knows", f"choose one of {', '.join(styles)}")
    return [case | {"style": styles.index(style)} for case in cases]


def case_of(path: str | Path) -> str:
    """``crossmoda2021_ldn_7`` of ``.../crossmoda2021_ldn_7_{ceT1,0000}.nii.gz``; of a DICOM folder its name."""
    name = Path(path).name.removesuffix(ENDING)
    stem, _, suffix = name.rpartition("_")
    return stem if stem and suffix in (*SUFFIXES, CHANNEL) else name


def name_by_case(meta: dict[str, str], transform: object) -> dict[str, str | None]:
    """For MONAI's ``SaveImaged(output_name_formatter=...)``: ``{case}_{postfix}.nii.gz``."""
    return {"subject": case_of(meta["filename_or_obj"]), "idx": None}


def _scan(folder: Path, suffixes: tuple[str, ...], check: Check | None, extras: Callable[[str, Path], Case]) -> Scan:
    scan, contrast = Scan(), contrast_of(suffixes)
    for image in _image_paths(folder, suffixes, scan):
        _add(scan, case_of(image), image, contrast, check, extras)
    if not scan.cases and not scan.problems:
        wanted = " or ".join(f"*_{suffix}{ENDING}" for suffix in suffixes)
        raise InputError(folder, "holds no image", f"give a folder with {wanted}, or one DICOM series")
    return scan


def _add(
    scan: Scan,
    case: str,
    image: Path,
    contrast: str | None,
    check: Check | None,
    extras: Callable[[str, Path], Case],
) -> None:
    """One case more, or one problem."""
    try:
        if any(case == other["case"] for other in scan.cases):
            raise InputError(image, f"is the second image of {case}", "keep one, or give it a name of its own")
        check_header(image, contrast)
        found: Case = {"case": case, "image": str(image), **extras(case, image)}
        if check:
            check(found)
        scan.cases.append(found)
    except InputError as error:
        scan.problems.append(error)


def _image_paths(folder: Path, suffixes: tuple[str, ...], scan: Scan) -> list[Path]:
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder that holds the scans")
    try:
        files = list(folder.iterdir())
    except OSError as error:
        raise InputError(folder, f"cannot be read ({error.strerror})", "mend its permissions") from error
    if any(is_dicom(path) for path in files):
        return [folder]
    if is_raw_dataset(folder):
        return sorted((folder / IMAGES).glob(f"*_{CHANNEL}{ENDING}"))
    images = []
    for path in sorted(folder.glob(f"*{ENDING}")):
        suffix = path.name.removesuffix(ENDING).rpartition("_")[2]
        if suffix in suffixes:
            images.append(path)
        elif suffix not in SUFFIXES:
            scan.problems.append(
                InputError(path, "its name is outside the layout", f"call it CASE_{suffixes[0]}{ENDING}")
            )
    return images
