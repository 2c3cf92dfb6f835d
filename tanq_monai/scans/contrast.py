"""Which contrast a series is of, told from its DICOM header by the rules of a document.

Imports pydicom and PyYAML: where there is no DICOM, nobody imports it.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from tanq_monai.choices.documents import parse_yaml
from tanq_monai.errors import InputError

OWN_RULES = Path(__file__).with_name("contrast.yaml")
Conditions = Mapping[str, Mapping[str, Any]]
Rule = Mapping[str, Any]

_HOLDS: dict[str, Callable[[list[Any], Any], bool]] = {
    "has": lambda values, wanted: any(str(value) in wanted for value in values),
    "lacks": lambda values, wanted: not any(str(value) in wanted for value in values),
    "at_least": lambda values, wanted: bool(values) and min(map(float, values)) >= wanted,
    "at_most": lambda values, wanted: bool(values) and max(map(float, values)) <= wanted,
    "unlike": lambda values, wanted: not any(re.search(wanted, str(value), re.IGNORECASE) for value in values),
}
_WORDS = {"has": "one of", "lacks": "without", "at_least": "at least", "at_most": "at most", "unlike": "unlike"}
_NUMBERS = ("DS", "IS", "FD", "FL", "US", "SS", "UL", "SL")  # kinds of attributes that hold some
_KINDS = {"has": list, "lacks": list, "at_least": int | float, "at_most": int | float, "unlike": str}


def read_rules(path: str | Path, contrast: str) -> Rule:
    """The rule of ``contrast``: ``always``, conditions, and ``looks``, conditions by name.

    Raises:
        InputError: when the document has none, or one with unknown attributes or comparisons.
    """
    remedy = "write it as tanq_monai/scans/contrast.yaml is written"
    try:
        document = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as YAML ({str(error).splitlines()[0]})", remedy) from error
    rule = document.get(contrast) if isinstance(document, dict) else None
    if not isinstance(rule, dict) or set(rule) != {"always", "looks"} or not isinstance(rule["looks"], dict):
        raise InputError(path, f"has no rule for {contrast} with always and looks", remedy)
    for conditions in (rule["always"], *rule["looks"].values()):
        problem = _problem(conditions)
        if problem:
            raise InputError(path, problem, remedy)
    return rule


def look_of(header: Dataset, rule: Rule) -> str | None:
    """Name of the first look that a series has by ``rule``, None if it is of another contrast."""
    if failed(header, rule["always"]):
        return None
    return next((name for name, conditions in rule["looks"].items() if not failed(header, conditions)), None)


def reason_against(header: Dataset, rule: Rule) -> str:
    """Why a series is of another contrast: the first condition that fails, of the look that has the fewest of them."""
    against = failed(header, rule["always"]) or min(
        (failed(header, conditions) for conditions in rule["looks"].values()), key=len
    )
    return against[0]


def check_contrast(header: Dataset, contrast: str, path: Path) -> None:
    """Raise when what a header says speaks against ``contrast``; what it does not say is not held against it.

    Args:
        header: of one slice.
        contrast: one of ``contrast.yaml``.
        path: of the series, for the message.

    Raises:
        InputError: when it does.
    """
    if reason := said_against(header, contrast):
        remedy = f"give a series of {contrast}; if you know that it is one, give it as a NIfTI file"
        raise InputError(path, f"is no {contrast} by its header ({reason})", remedy)


def said_against(header: Dataset, contrast: str) -> str:
    """What a header says against ``contrast``, in words; empty where it says nothing."""
    rule = read_rules(OWN_RULES, contrast)
    looks = {name: _said(header, conditions) for name, conditions in rule["looks"].items()}
    said = {"always": _said(header, rule["always"]), "looks": looks}
    return reason_against(header, said) if look_of(header, said) is None else ""


def failed(header: Dataset, conditions: Conditions) -> list[str]:
    """What of ``conditions`` does not hold, e.g. ``EchoTime 2.97, not at least 80``."""
    told = []
    for keyword, condition in conditions.items():
        values = _values(header, keyword)
        for comparison, wanted in condition.items():
            if not _HOLDS[comparison](values, wanted):
                told.append(f"{keyword} {_told(values) or 'absent'}, not {_WORDS[comparison]} {_told(wanted)}")
    return told


def _said(header: Dataset, conditions: Conditions) -> Conditions:
    """The conditions on attributes that are there."""
    return {keyword: condition for keyword, condition in conditions.items() if _values(header, keyword)}


def _told(values: Any) -> str:
    return "\\".join(map(str, values)) if isinstance(values, list) else str(values)


def _values(header: Dataset, keyword: str) -> list[Any]:
    """What an attribute says; one of numbers that holds something else says nothing."""
    try:
        value = header.get(keyword)
    except (ValueError, TypeError, ArithmeticError):  # pydicom makes numbers of whole ones itself
        return []
    if value is None or value == "":
        return []
    values = list(value) if isinstance(value, MultiValue) else [value]
    return values if dictionary_VR(keyword) not in _NUMBERS or all(map(_is_number, values)) else []


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (ValueError, TypeError):
        return False


def _problem(conditions: Any) -> str | None:
    """What is wrong with a set of conditions."""
    if not isinstance(conditions, dict):
        return f"has {conditions!r} where conditions belong"
    for keyword, condition in conditions.items():
        if tag_for_keyword(str(keyword)) is None:
            return f"names {keyword}, which is no attribute of DICOM"
        if not isinstance(condition, dict) or not condition or not set(condition) <= set(_KINDS):
            return f"compares {keyword} by {condition!r}, not by {', '.join(_KINDS)}"
        for comparison, wanted in condition.items():
            if not isinstance(wanted, _KINDS[comparison]):
                return f"compares {keyword} with {wanted!r} by {comparison}"
    return None
