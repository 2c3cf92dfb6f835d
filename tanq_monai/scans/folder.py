"""From a folder of scans to a list of cases, by the file names of crossMoDA.

A case is ``{case}_ceT1.nii.gz`` or ``{case}_hrT2.nii.gz`` with, where there is one, ``{case}_Label.nii.gz``; or a
folder with one DICOM series; or of nnU-Net's raw data set. What cannot be used becomes a problem, which does not stop
the other cases.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tanq_monai.errors import InputError, InputErrors, mistake_behind
from tanq_monai.provenance import PROVENANCE
from tanq_monai.scans.contents import files_in, images_in, left_below, left_out
from tanq_monai.scans.grid import Grid
from tanq_monai.scans.labels import check_labels, read_labels
from tanq_monai.scans.naming import (
    ENDING,
    LABEL,
    LABEL_ENDING,
    SOURCE,
    TARGET_DOMAIN,
    case_of,
    contrast_of,
    is_nifti,
    suffix_of,
)
from tanq_monai.scans.raw_dataset import is_raw_dataset, raw_cases, read_provenance, unused_files
from tanq_monai.scans.volume import read_grid, read_volume
from tanq_monai.structures import STRUCTURES, Structures

Case = dict[str, str]
Extras = Callable[[str, Path, Grid], Case]


@dataclass
class Listing:
    """What a folder holds: usable ``cases``, dicts with ``case`` and ``image``, and ``problems``.

    Headers are looked at, voxels when somebody reads them. Labelled cases have ``patient``, whose scan it is, and
    perhaps ``label``.
    """

    cases: list[Case] = field(default_factory=list)
    problems: list[InputError | InputErrors] = field(default_factory=list)
    _names: set[str] = field(default_factory=set, repr=False)

    def add(self, name: str, image: Path, contrast: str | None, extras: Extras) -> None:
        """One case more, or one problem."""
        try:
            if name in self._names:
                raise InputError(image, f"is the second image of {name}", "keep one, or give it a name of its own")
            grid = read_grid(image, contrast)
            self.cases.append({"case": name, "image": str(image), **extras(name, image, grid)})
            self._names.add(name)
        except InputError as error:
            self.problems.append(error)

    def note(self, error: Exception) -> None:
        """Keep the user's mistake that led to ``error``; what is none is raised."""
        mistake = mistake_behind(error)
        if mistake is None:
            raise error
        self.problems.append(mistake)

    def raise_problems(self) -> None:
        """Raise all problems at once. Call it when the good cases are done."""
        if self.problems:
            raise InputErrors(self.problems)


def find_images(folder: str | Path, suffixes: tuple[str, ...] = TARGET_DOMAIN) -> Listing:
    """The images in ``folder`` whose names end in ``_{suffix}.nii.gz``, and the DICOM series that it is or has.

    Args:
        folder: of the scans; of nnU-Net's raw data set, all its images are taken.
        suffixes: of the images.

    Raises:
        InputError: when the folder does not exist or holds no image.
    """
    return _listing(Path(folder), suffixes, lambda case, image, grid: {})


def find_labelled(
    folder: str | Path,
    labels: str | Path | None = None,
    suffixes: tuple[str, ...] = SOURCE,
    required: bool = True,
    structures: Structures = STRUCTURES,
) -> Listing:
    """The images of ``folder`` with their labels, and whose they are: the translations of one scan are one patient's.

    Args:
        folder: as in :func:`find_images`, or nnU-Net's raw data set, which brings its labels.
        labels: a folder of ``{case}_Label.nii.gz``, or one label file for a single case; default ``folder``.
        suffixes: of the images.
        required: whether a case without a label is a problem.
        structures: names and values of the labels, which a raw data set must have.

    Raises:
        InputError: as :func:`find_images`; when a raw data set has other structures.
    """
    folder, labels = Path(folder), Path(labels or folder)
    files_in(folder)  # a folder that is none, or may not be read, is told
    if is_raw_dataset(folder):
        cases = raw_cases(folder, structures)
        found = Listing(problems=list(unused_files(folder, cases)))
        for case in cases:
            found.add(case["case"], Path(case["image"]), None, _existing_label(case))
        return found
    files = None if labels.is_file() else LabelFiles(labels)
    used: set[Path] = set()

    def label_of(case: str, image: Path, grid: Grid) -> Case:
        path = labels if files is None else files.of(case)
        if not path.is_file():
            if required:
                raise InputError(path, f"is missing, the label of {image.name}", "add it or take the case out")
            return {"patient": case}
        if path in used:
            raise InputError(image, f"is the second image for {path}", "give every image a label of its own")
        used.add(path)
        check_labels(path, grid, "its image")
        return {"patient": case, "label": str(path)}

    found = _listing(folder, suffixes, label_of)
    if files is not None and not labels.samefile(folder):  # whose mistakes are there already
        found.problems += files.problems
    return found


def find_sources(
    folder: str | Path,
    labels: str | Path | None = None,
    required: bool = True,
    structures: Structures = STRUCTURES,
) -> Listing:
    """What a translator translates or learns from: :func:`find_labelled` in a folder without translations.

    Raises:
        InputError: as :func:`find_labelled`; when a run wrote the folder as a raw data set of translations.
    """
    if read_provenance(Path(folder)):
        problem = f"holds translations, as its {PROVENANCE} says"
        raise InputError(folder, problem, "give the folder of the scans that they were made of")
    return find_labelled(folder, labels, required=required, structures=structures)


class LabelFiles:
    """``{case}_Label.nii.gz``, or ``.nii``, of every case in a folder; ``problems`` has what is called otherwise.

    Raises:
        InputError: when there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._paths: dict[str, list[Path]] = {}
        paths = files_in(self.folder)
        labels = [path for path in paths if is_nifti(path) and suffix_of(path) == LABEL]
        self.problems = [*left_out(paths, LABEL), *left_below(paths, (LABEL,), labels, "labels")]
        for path in labels:
            self._paths.setdefault(case_of(path), []).append(path)

    @property
    def cases(self) -> list[str]:
        """That have a label."""
        return list(self._paths)

    def raise_problems(self) -> None:
        """Raise what a file in the folder is called in place of a label's name, before a long work.

        Raises:
            InputErrors: one line for each.
        """
        if self.problems:
            raise InputErrors(self.problems)

    def raise_absence(self) -> None:
        """Raise where there is no label at all.

        Raises:
            InputErrors: what there is in their place, one line for each.
            InputError: when there is nothing.
        """
        if not self.cases:
            self.raise_problems()
            raise InputError(self.folder, f"holds no *{LABEL_ENDING}", "give the folder with the true labels")

    def of(self, case: str) -> Path:
        """The label of a case; where there is none, the place where it would be.

        Raises:
            InputError: when it has two.
        """
        first, *others = self._paths.get(case, [self.folder / f"{case}{LABEL_ENDING}"])
        if others:
            raise InputError(others[0], f"is the second label of {case}", "keep one")
        return first


def problems_of(cases: Iterable[Case], structures: Structures = STRUCTURES) -> list[InputError]:
    """What is wrong with which case, voxels included.

    Raises:
        InputError: when the structures are not numbered 1, 2, 3, ...
    """
    known, problems = structures.numbered(), []
    for case in cases:
        try:
            grid = read_volume(case["image"]).grid
            if "label" in case:
                read_labels(case["label"], known, grid, "its image")
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


def _listing(folder: Path, suffixes: tuple[str, ...], extras: Extras) -> Listing:
    images, mistakes = images_in(folder, suffixes)
    found, contrast = Listing(problems=list(mistakes)), contrast_of(suffixes)
    for image in images:
        found.add(case_of(image), image, contrast, extras)
    if not found.cases and not found.problems:
        wanted = " or ".join(f"*_{suffix}{ENDING}" for suffix in suffixes)
        raise InputError(folder, "holds no image", f"give a folder with {wanted}, or one DICOM series")
    return found


def _existing_label(case: Case) -> Extras:
    """Of a raw data set, whose description names the label."""

    def label_of(name: str, image: Path, grid: Grid) -> Case:
        if not Path(case["label"]).is_file():
            raise InputError(case["label"], f"is missing, the label of {image.name}", "add it or take the case out")
        check_labels(case["label"], grid, "its image")
        return case

    return label_of
