"""What `tanq-monai segment` makes of a BIDS data set, judged by the official validator of BIDS.

`make test-bids` runs it; .venv-bids holds the validator, which asks nobody for anything.
"""

import json
import subprocess
from pathlib import Path

import pytest
from bids_dataset import write_bids
from typed import run_command

pytestmark = pytest.mark.bids
VALIDATOR = Path(__file__).parents[2] / ".venv-bids" / "bin" / "bids-validator-deno"
# Of authors, whom a program does not know; and of the sidecars of tables of sessions.
EXPECTED = {"TOO_FEW_AUTHORS"}


@pytest.fixture(scope="module")
def dataset(tiny_phantom, tmp_path_factory):
    scans = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    return write_bids(tmp_path_factory.mktemp("bids") / "set", scans)


@pytest.fixture(scope="module")
def derivative(dataset):
    folder = dataset / "derivatives" / "tanq-monai"
    done = run_command("segment", dataset, "--acq", "CISS", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


def issues(folder, *options):
    """Severity, code and place of every issue."""
    assert VALIDATOR.is_file(), "make .venv-bids/ready makes it"
    done = subprocess.run([VALIDATOR, folder, "--json", *options], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    found = list(told["issues"]["issues"])
    for inner in (told.get("derivativesSummary") or {}).values():
        found += inner["issues"]["issues"]
    return [(one["severity"], one["code"], one.get("subCode"), one.get("location")) for one in found]


def test_the_derivative_has_no_error_and_no_warning_but_that_of_authors(derivative):
    found = issues(derivative)
    assert {code for _, code, *_ in found} <= EXPECTED, found


def test_the_data_set_with_its_derivative_has_no_error(dataset, derivative):
    found = issues(dataset, "--recursive")
    assert [one for one in found if one[0] == "error"] == []


def test_the_validator_would_tell_of_a_label_of_another_name(derivative):
    label = next(derivative.rglob("*_dseg.nii.gz"))
    wrong = label.with_name(label.name.replace("_dseg", "_Label"))
    wrong.write_bytes(label.read_bytes())
    found = issues(derivative)
    wrong.unlink()
    assert ("error", "NOT_INCLUDED", None, f"/{wrong.relative_to(derivative).as_posix()}") in found
