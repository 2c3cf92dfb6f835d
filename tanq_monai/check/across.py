"""What no scan tells by itself: that it is there twice, or its patient on both sides of the split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tanq_monai.check.figures import Figures
from tanq_monai.errors import InputError
from tanq_monai.scans.folder import Case


@dataclass(frozen=True)
class CheckedScan:
    """A scan that a training or an inference would take.

    Attributes:
        part: the folder of the data set.
        is_test: whether nothing may be trained on it.
        case: its name, files and contrast.
        figures: measured.
    """

    part: str
    is_test: bool
    case: Case
    figures: Figures


def problems_across(scans: Sequence[CheckedScan]) -> list[InputError]:
    """One line for every scan that is there already, or whose patient is among those for training and for testing.

    A patient is known by the name of the case, and of DICOM series by what their headers say.
    """
    first: dict[str, CheckedScan] = {}
    twice = [
        _told_twice(scan, one) for scan in scans if (one := first.setdefault(scan.figures.content, scan)) is not scan
    ]
    return [*twice, *_on_both_sides(scans, [one for one in first.values() if one.is_test])]


def _told_twice(scan: CheckedScan, other: CheckedScan) -> InputError:
    problem = f"shows what {other.case['image']} shows, voxel by voxel"
    return InputError(scan.case["image"], problem, "take one of them out")


def _on_both_sides(scans: Sequence[CheckedScan], tests: Sequence[CheckedScan]) -> Iterator[InputError]:
    ids = [scan.figures.patient_id for scan in scans if scan.figures.patient_id]
    told = len({*ids}) > 1 or len(ids) == 2  # one name for all, as anonymization leaves it, says nothing
    trained = {name: scan for scan in scans if not scan.is_test for name in _names(scan, told)}
    for scan in tests:
        other = next((trained[name] for name in _names(scan, told) if name in trained), None)
        if other is not None:
            problem = f"is of the patient of {other.case['image']}, and is to be tested on"
            yield InputError(scan.case["image"], problem, "keep a patient on one side, for training or for testing")


def _names(scan: CheckedScan, with_id: bool) -> list[tuple[str, str]]:
    """By which a patient is known."""
    names = [("case", scan.case.get("patient", scan.case["case"]))]
    return [*names, ("series", scan.figures.patient_id)] if with_id and scan.figures.patient_id else names
