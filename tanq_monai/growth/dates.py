"""When scans were made: by a table, or by the headers of a DICOM series."""

import csv
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tanq_monai.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

COLUMNS = ("case", "date")
_KEYWORDS = ("AcquisitionDate", "StudyDate", "SeriesDate")
_REMEDY = "write a CSV file with the columns case and date, e.g. baseline,2024-05-31"


def read_dates(path: str | Path) -> dict[str, date]:
    """Dates by case, of a CSV file with the columns :data:`COLUMNS`; ISO 8601, 2024-05-31 or 20240531.

    Raises:
        InputError: when it cannot be read, lacks a column, has no date in a line, or a case twice.
    """
    path = Path(path)
    dates: dict[str, date] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise InputError(path, f"has no column {missing[0]}", _REMEDY)
            for row in rows:
                case, word = ((row[column] or "").strip() for column in COLUMNS)
                found = _date(word)
                if found is None:
                    raise InputError(path, f"has {word!r} in line {rows.line_num}, which is no date", _REMEDY)
                if case in dates:
                    raise InputError(path, f"has {case!r} twice", "leave one line of it")
                dates[case] = found
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", _REMEDY) from error
    return dates


def date_in(header: "Dataset") -> date | None:
    """The day of a series: of its acquisition, else of its study; None where its header has none."""
    return next(filter(None, (_date(str(header.get(keyword) or "")) for keyword in _KEYWORDS)), None)


def dates_of(headers: Mapping[str, "Dataset | None"], table: Mapping[str, date]) -> dict[str, date]:
    """The date of every case, those of the table first.

    Args:
        headers: of a slice of every case that is a DICOM series; None of others.
        table: dates by case.

    Raises:
        InputError: when a case has no date, the table names others, or two cases are of one day.
    """
    unknown = sorted({*table} - {*headers})
    if unknown:
        raise InputError(f"--dates: {unknown[0]}", "is no case here", f"use {', '.join(sorted(headers))}")
    dates: dict[str, date] = {}
    for case, header in headers.items():
        found = table.get(case) or (None if header is None else date_in(header))
        if found is None:
            raise InputError(case, "has no date", f"give --dates: {_REMEDY}")
        if found in dates.values():
            other = next(name for name, day in dates.items() if day == found)
            raise InputError(case, f"is of {found}, as {other}", "give one scan of a day")
        dates[case] = found
    return dates


def check_one_patient(headers: Mapping[str, "Dataset | None"]) -> None:
    """Raise when series are of several patients.

    Raises:
        InputError: when they are.
    """
    patients = {str(header.get("PatientID") or ""): case for case, header in headers.items() if header is not None}
    patients.pop("", None)
    if len(patients) > 1:
        (_, one), (_, other), *_ = patients.items()
        raise InputError(other, f"is of another patient than {one}", "give scans of one patient")


def _date(word: str) -> date | None:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(word, form).date()
        except ValueError:
            continue
    return None
