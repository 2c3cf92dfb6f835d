"""Mutants are put where they belong, and told apart from tests that fail by themselves."""

from pathlib import Path

import pytest
from mutation import Mutant, read_mutants

SOURCE = "one = two\nthree = two\n"


def mutant(*changes: tuple[str, str]) -> Mutant:
    return Mutant("two is four", "networks/numbers.py", changes)


def test_of_several_changes_the_one_whose_text_is_there_is_made() -> None:
    assert (
        mutant(("two = three", "two = four"), ("one = two", "one = four")).put_into(SOURCE)
        == "one = four\nthree = two\n"
    )


@pytest.mark.parametrize("changes", [[("five", "four")], [("two", "four")], [("one", "four"), ("three", "four")]])
def test_a_text_that_is_missing_or_there_twice_is_told(changes: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="fits the mutant 'two is four'"):
        mutant(*changes).put_into(SOURCE)


def test_the_table_has_faults_in_all_packages_it_is_about() -> None:
    packages = {
        "networks",
        "losses",
        "trainers",
        "metrics",
        "scans",
        "anatomy",
        "segmentation",
        "translation",
        "deploy",
    }
    assert packages <= {mutant.package for mutant in read_mutants()}


@pytest.mark.parametrize("fault", read_mutants(), ids=lambda fault: fault.name)
def test_every_fault_of_the_table_fits_the_code_as_it_is(fault: Mutant) -> None:
    source = (Path(__file__).parents[2] / "tanq_monai" / fault.file).read_text(encoding="utf-8")
    changed = fault.put_into(source)
    assert changed != source
    compile(changed, fault.file, "exec")
