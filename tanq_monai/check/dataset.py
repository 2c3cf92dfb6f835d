"""The check of a data set: every scan read once, one at a time, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tanq_monai.check.across import CheckedScan, problems_across
from tanq_monai.check.figures import measure
from tanq_monai.check.parts import Part, Problem, find_parts, problems_of_layout, unread_folders
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.structures import STRUCTURES, Structures


@dataclass(frozen=True)
class DatasetCheck:
    """What was found.

    Attributes:
        folder: of the data set, as it was given.
        parts: names of its folders, in the order of their use.
        scans: that were read, in the order of the parts.
        problems: what cannot be used, or not so; nothing where all is well.
        unread: names of folders that nobody looked at.
    """

    folder: Path
    parts: tuple[str, ...]
    scans: tuple[CheckedScan, ...]
    problems: tuple[Problem, ...]
    unread: tuple[str, ...]

    def raise_problems(self) -> None:
        """Raise all problems at once, a line for each.

        Raises:
            InputErrors: when there is one.
        """
        if self.problems:
            raise InputErrors(self.problems)


def check_dataset(dataset_dir: str | Path, structures: Structures = STRUCTURES) -> DatasetCheck:
    """Look at every scan and label of a data set, one in memory at a time.

    Args:
        dataset_dir: see :func:`tanq_monai.check.parts.find_parts`.
        structures: names and values of the labels, numbered 1, 2, 3, ...

    Raises:
        InputError: when it is no folder, or a plain one without a scan; when the structures are not numbered so.
    """
    structures.numbered()
    parts = find_parts(dataset_dir, structures)
    problems: list[Problem] = [*problems_of_layout(dataset_dir)]
    scans: list[CheckedScan] = []
    for part in parts:
        problems += part.problems
        found, unusable = _check_part(part, structures)
        scans += found
        problems += unusable
    problems += problems_across(scans)
    names, unread = tuple(part.name for part in parts), tuple(unread_folders(dataset_dir))
    return DatasetCheck(Path(dataset_dir), names, tuple(scans), tuple(problems), unread)


def _check_part(part: Part, structures: Structures) -> tuple[Sequence[CheckedScan], Sequence[InputError]]:
    scans, problems = [], []
    for case in tqdm(part.cases, desc=part.name, unit="scan", disable=None):
        try:
            scans.append(CheckedScan(part.name, part.is_test, case, measure(case, structures)))
        except InputError as error:
            problems.append(error)
    return scans, problems
