"""Dates of scans: of a table, of headers; what has none, or a wrong one, is told."""

from datetime import date

import pytest
from pydicom.dataset import Dataset

from tanq_monai.errors import InputError
from tanq_monai.growth.dates import check_one_patient, date_in, dates_of, read_dates


def header(**tags):
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def test_a_table_of_a_spreadsheet_is_read_with_other_columns_and_both_forms_of_a_date(tmp_path):
    (tmp_path / "d.csv").write_text("\ufeffwhere,case,date\nx,a,2021-03-04\ny, b ,20240531\n", encoding="utf-8")
    assert read_dates(tmp_path / "d.csv") == {"a": date(2021, 3, 4), "b": date(2024, 5, 31)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("case,day\na,2021-03-04\n", "has no column date"),
        ("case,date\na,4.3.2021\n", "has '4.3.2021' in line 2, which is no date"),
        ("case,date\na\n", "has '' in line 2, which is no date"),
        ("case,date\na,2021-02-30\n", "has '2021-02-30' in line 2"),
        ("case,date\na,2021-03-04\na,2021-03-05\n", "has 'a' twice"),
        ("", "has no column case"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, text, told):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_dates(tmp_path / "d.csv")
    assert told in str(error.value)


@pytest.mark.parametrize("content", [b"case,date\n\xff,2021-03-04\n", None])
def test_a_file_that_cannot_be_read_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "d.csv").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_dates(tmp_path / "d.csv")


def test_a_header_tells_the_day_of_the_acquisition_before_that_of_the_study():
    both = header(AcquisitionDate="20210304", StudyDate="20210301", SeriesDate="20250101")
    assert date_in(both) == date(2021, 3, 4)
    assert date_in(header(AcquisitionDate="", StudyDate="20210301")) == date(2021, 3, 1)
    assert date_in(header(StudyDate="")) is None


def test_the_table_counts_before_the_header():
    found = dates_of(
        {"a": header(StudyDate="20200101"), "b": None, "c": header(StudyDate="20200102")},
        {"a": date(2021, 3, 4), "b": date(2022, 1, 1)},
    )
    assert found == {"a": date(2021, 3, 4), "b": date(2022, 1, 1), "c": date(2020, 1, 2)}


@pytest.mark.parametrize(
    ("headers", "table", "told"),
    [
        ({"a": None, "b": None}, {"a": date(2021, 1, 1)}, "b: has no date; give --dates"),
        ({"a": None}, {"a": date(2021, 1, 1), "A": date(2021, 1, 2)}, "--dates: A: is no case here; use a"),
        ({"a": None, "b": None}, dict.fromkeys("ab", date(2021, 1, 1)), "b: is of 2021-01-01, as a; give one"),
    ],
)
def test_a_case_without_a_day_of_its_own_is_told(headers, table, told):
    with pytest.raises(InputError) as error:
        dates_of(headers, table)
    assert str(error.value).startswith(told)


def test_series_of_two_patients_are_refused_and_those_without_a_name_are_not():
    check_one_patient({"a": header(PatientID="1"), "b": header(PatientID=""), "c": None, "d": header(PatientID="1")})
    with pytest.raises(InputError, match="b: is of another patient than a"):
        check_one_patient({"a": header(PatientID="1"), "b": header(PatientID="2")})
