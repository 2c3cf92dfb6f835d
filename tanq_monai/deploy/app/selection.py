"""The one series of a folder that a bundle is given."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from tanq_monai.data.contrast import look_of, read_rules, reason_against
from tanq_monai.data.dicom import check_slices, is_dicom, read_header
from tanq_monai.errors import InputError


@dataclass(frozen=True)
class Series:
    """A series as it lies on disk.

    Args:
        files: of its slices, in the order of their instance numbers.
        headers: of the same files, without pixels.
        chosen_by: the look that the rules found, or the user.
    """

    files: tuple[Path, ...]
    headers: tuple[Dataset, ...]
    chosen_by: str

    @property
    def header(self) -> Dataset:
        """Of the first slice."""
        return self.headers[0]


def choose_series(folder: str | Path, contrast: str, rules_file: str | Path, uid: str | None = None) -> Series:
    """The one series of ``contrast`` below ``folder``, by the rules or, where a ``uid`` is given, by the user.

    Raises:
        InputError: when there is none, or more than one, or its slices do not make a regular volume.
    """
    rule = read_rules(rules_file, contrast)
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "give the folder that holds the DICOM files")
    found = read_series(folder)
    if not found:
        raise InputError(folder, "holds no DICOM file", "give the folder that holds the DICOM files")
    if uid is None:
        looks = {name: look_of(headers[0], rule) for name, (_, headers) in found.items()}
        uid = _only(folder, contrast, {name: look for name, look in looks.items() if look}, found, rule)
        chosen_by = f"rule {contrast}, {looks[uid]}"
    elif uid in found:
        chosen_by = "the user"
    else:
        raise InputError(folder, f"holds no series {uid}", f"choose one of {_listed(found)}")
    files, headers = found[uid]
    check_slices(headers, folder)
    return Series(files, headers, chosen_by)


Found = Mapping[str, tuple[tuple[Path, ...], tuple[Dataset, ...]]]


def read_series(folder: Path) -> Found:
    """Files and headers of every series below ``folder`` by its UID, in the order of the instance numbers."""
    slices: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if is_dicom(path):
            header = read_header(path)
            slices[str(header.get("SeriesInstanceUID", ""))].append((path, header))
    slices.pop("", None)  # a DICOMDIR
    for each in slices.values():
        each.sort(key=lambda item: int(item[1].get("InstanceNumber") or 0))
    return {uid: (tuple(path for path, _ in each), tuple(header for _, header in each)) for uid, each in slices.items()}


def _only(folder: Path, contrast: str, looks: Mapping[str, str], found: Found, rule: Mapping[str, object]) -> str:
    if len(looks) == 1:
        return next(iter(looks))
    if looks:
        remedy = "choose one with --series UID"
        raise InputError(folder, f"holds {len(looks)} series of {contrast}: {_listed(found, list(looks))}", remedy)
    against = [f"{_name(headers[0])} ({reason_against(headers[0], rule)})" for _, headers in found.values()]
    problem = f"holds no series of {contrast}, for which the bundle was trained: {', '.join(against)}"
    raise InputError(folder, problem, "give another study, other --rules, or the series with --series UID")


def _listed(found: Found, uids: Sequence[str] | None = None) -> str:
    return ", ".join(f"{_name(found[uid][1][0])} {uid}" for uid in uids or found)


def _name(header: Dataset) -> str:
    return f"'{header.get('SeriesDescription', '') or 'without description'}'"
