"""The one series of a folder that a bundle is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from tanq_monai.errors import InputError
from tanq_monai.scans.contrast import look_of, read_rules, reason_against
from tanq_monai.scans.dicom import in_order, list_series
from tanq_monai.scans.dicom_slices import Slice


@dataclass(frozen=True)
class Series:
    """A series as it lies on disk.

    Args:
        slices: without pixels, a file each, in their order.
        chosen_by: the look that the rules found, or the user.
    """

    slices: tuple[Slice, ...]
    chosen_by: str

    @property
    def files(self) -> tuple[Path, ...]:
        """Of the slices."""
        return tuple(one.path for one in self.slices)

    @property
    def headers(self) -> tuple[Dataset, ...]:
        """Of the slices."""
        return tuple(one.header for one in self.slices)

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
    found = {uid: (tuple(p for p, _ in each), tuple(h for _, h in each)) for uid, each in list_series(folder).items()}
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
    slices = in_order(zip(*found[uid], strict=True), folder)
    if slices[0].frame is not None:
        raise InputError(
            folder, f"holds an enhanced file ({slices[0].path.name})", "use the bundle or the runtime on it"
        )
    return Series(tuple(slices), chosen_by)


Found = Mapping[str, tuple[tuple[Path, ...], tuple[Dataset, ...]]]


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
