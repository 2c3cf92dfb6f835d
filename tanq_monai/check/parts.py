"""Which scans lie in a data set, folder by folder, and which files of it are read by nobody."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.scans.contents import files_in
from tanq_monai.scans.folder import Case, Listing, find_labelled, find_sources
from tanq_monai.scans.layout import find_scans, folders_in
from tanq_monai.scans.naming import CONTRASTS, ENDING, LABEL, case_of, contrast_of, is_nifti, suffix_of
from tanq_monai.scans.raw_dataset import is_raw_dataset
from tanq_monai.structures import STRUCTURES, Structures

Problem = InputError | InputErrors


@dataclass(frozen=True)
class Part:
    """A folder of scans, all of which are used for the same.

    Attributes:
        name: of the folder.
        cases: that a training or an inference would take, with their ``contrast``; their voxels are still unseen.
        problems: what they would not take, and why.
        is_test: whether nothing may be trained on it.
    """

    name: str
    cases: list[Case]
    problems: list[Problem]
    is_test: bool = False


def find_parts(dataset_dir: str | Path, structures: Structures = STRUCTURES) -> list[Part]:
    """The folders of a data set in the order of their use; or the folder itself, where it is no data set of crossMoDA.

    Args:
        dataset_dir: laid out as crossMoDA's; or a folder of scans, or nnU-Net's raw data set.
        structures: names and values of the labels.

    Raises:
        InputError: when it is no folder, or a plain one without a scan.
    """
    root = Path(dataset_dir)
    files_in(root)  # a folder that is none, or may not be read, is told
    if is_raw_dataset(root):
        found = find_labelled(root, structures=structures)
        return [Part(root.resolve().name, [case | {"contrast": "MR"} for case in found.cases], found.problems)]
    parts = [_part_of_layout(role, folder, structures) for role, folder in folders_in(root).items()]
    return parts or [_plain_folder(root, structures)]


def problems_of_layout(dataset_dir: str | Path) -> list[InputError]:
    """What is wrong with a data set of crossMoDA as a whole: folders that are missing, scans beside them."""
    root = Path(dataset_dir)
    if not folders_in(root):
        return []
    remedy = "put it into one of them, or take it out"
    beside = [path for path in files_in(root) if is_nifti(path)]
    problems = [InputError(path, "lies beside the folders of the data set", remedy) for path in beside]
    try:
        find_scans(root, needed=("target",))  # not every training takes labelled ceT1
    except InputError as error:
        problems.append(error)
    return problems


def unread_folders(dataset_dir: str | Path) -> list[str]:
    """Names of the folders beside those of crossMoDA, whose files nobody looks at; none of a plain folder."""
    root = Path(dataset_dir)
    known = set(folders_in(root).values())
    return [path.name for path in files_in(root) if path.is_dir() and path not in known] if known else []


def _part_of_layout(role: str, folder: Path, structures: Structures) -> Part:
    contrast = "ceT1" if role == "source" else "hrT2"
    try:
        if role == "source":
            found = find_sources(folder, structures=structures)
        else:  # labels of hrT2 are nobody's duty, and are read where there are some
            found = find_labelled(folder, suffixes=CONTRASTS[contrast], required=False, structures=structures)
    except InputError as error:
        found = Listing(problems=[error])
    cases = [case | {"contrast": contrast} for case in found.cases]
    return Part(folder.name, cases, [*found.problems, *_unread_files(folder, (contrast,))], role == "test")


def _plain_folder(folder: Path, structures: Structures) -> Part:
    """Every contrast that names tell of; of DICOM series alone, whichever their headers allow.

    A ceT1 scan without a label is a problem where others have one.
    """
    suffixes = [suffix_of(path) for path in files_in(folder) if is_nifti(path)]
    contrasts = [contrast for contrast, own in CONTRASTS.items() if {*suffixes} & {*own}] or [*reversed(CONTRASTS)]
    listings = {}
    for contrast in contrasts:
        required = contrast == "ceT1" and LABEL in suffixes
        listings[contrast] = find_labelled(folder, None, CONTRASTS[contrast], required, structures)
    cases = _by_image(listings)
    taken = {case["image"] for case in cases}
    told = {_where_and_what(one): one for found in listings.values() for one in found.problems}
    problems = [one for (where, _), one in told.items() if where not in taken]  # of the one contrast, not of the other
    return Part(folder.resolve().name, cases, [*problems, *_unread_files(folder, contrasts)])


def _by_image(listings: Mapping[str, Listing]) -> list[Case]:
    """The cases of all contrasts; a series whose header speaks against none of two is of either."""
    cases: dict[str, Case] = {}
    for contrast, found in listings.items():
        for case in found.cases:
            known = cases.get(case["image"])
            told = contrast if known is None else f"{known['contrast']} or {contrast}"
            cases[case["image"]] = case | {"contrast": told}
    return list(cases.values())


def _unread_files(folder: Path, contrasts: Iterable[str]) -> Iterator[InputError]:
    """Scans and labels by their names that nobody reads in this folder, though the names are of the layout."""
    wanted = [suffix for contrast in contrasts for suffix in CONTRASTS[contrast]]
    paths = files_in(folder)
    named = {case_of(path) for path in (folder, *paths) if path.is_dir() or suffix_of(path) in wanted}
    for path in filter(is_nifti, paths):
        suffix = suffix_of(path)
        if suffix == LABEL and case_of(path) not in named:
            remedy = f"put {case_of(path)}_{wanted[0]}{ENDING} beside it, or take it out"
            yield InputError(path, "is the label of no scan", remedy)
        elif suffix not in wanted and _contrast(suffix):
            problem = f"is {_contrast(suffix)} by its name, and in {folder.name} only {wanted[0]} is read"
            yield InputError(path, problem, "put it where it belongs, or take it out")


def _contrast(suffix: str) -> str | None:
    return contrast_of([suffix])


def _where_and_what(problem: Problem) -> tuple[str, str]:
    return (problem.where, problem.problem) if isinstance(problem, InputError) else ("", str(problem))
