"""`tanq-monai segment` and `growth` on a BIDS data set: a derivative that the official validator of BIDS passes.

`make test-bids` runs it; .venv-bids holds the validator, which asks nobody for anything.
"""

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bids_dataset import write_bids
from typed import mistakes, run_command

from tanq_monai import RESEARCH_ONLY, __version__
from tanq_monai.phantom import write_dataset
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_grid
from tanq_monai.structures import STRUCTURES

pytestmark = pytest.mark.bids
VALIDATOR = Path(__file__).parents[2] / ".venv-bids" / "bin" / "bids-validator-deno"
# A program does not know who may be called the author.
EXPECTED = {"TOO_FEW_AUTHORS"}
CASES = ("sub-01_ses-1_acq-CISS", "sub-01_ses-2_acq-CISS")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """One virtual patient, scanned once, in two sessions."""
    folder = tmp_path_factory.mktemp("bids")
    write_dataset(folder / "phantom", num_source=0, num_target=0, num_test=1, size="tiny", seed=0)
    (scan,) = (folder / "phantom" / "validation").glob("*_hrT2.nii.gz")
    return write_bids(folder / "set", [scan, scan])


@pytest.fixture(scope="module")
def done(dataset):
    return run_command("segment", dataset, "--json", "-o", dataset / "derivatives" / "tanq-monai")


@pytest.fixture(scope="module")
def derivative(dataset, done):
    assert done.returncode == 0, done.stderr
    return dataset / "derivatives" / "tanq-monai"


def label(derivative, case):
    session = case.split("_")[1]
    return derivative / "sub-01" / session / "anat" / f"{case}_desc-tanq_dseg.nii.gz"


def test_every_scan_has_its_label_where_the_data_set_has_the_scan_on_its_grid(dataset, derivative, done):
    found = sorted(derivative.rglob("*_dseg.nii.gz"))
    assert found == [label(derivative, case) for case in CASES]
    assert [scan["label"] for scan in json.loads(done.stdout)["scans"]] == [str(path) for path in found]
    for case, path in zip(CASES, found, strict=True):
        scan = dataset / path.parent.relative_to(derivative) / f"{case}_T2w.nii.gz"
        np.testing.assert_array_equal(
            read_labels(path, STRUCTURES.values()).labels,
            read_labels(derivative / "sourcedata" / f"{case}_Label.nii.gz", STRUCTURES.values()).labels,
        )
        np.testing.assert_allclose(read_grid(path).affine, read_grid(scan).affine)


def test_a_scan_whose_sidecar_tells_of_another_contrast_is_passed_over(done):
    (line,) = json.loads(done.stdout)["passed_over"]
    assert "sub-01_ses-1_acq-TSE_T2w.nii.gz: is no hrT2 by its side-car (MRAcquisitionType 2D" in line


def test_a_sidecar_says_what_the_label_was_made_of_and_its_volumes(derivative):
    with (derivative / "sourcedata" / "volumes.csv").open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    for case in CASES:
        session = case.split("_")[1]
        told = json.loads(label(derivative, case).with_name(f"{case}_desc-tanq_dseg.json").read_text())
        assert told["Sources"] == [f"bids:raw:sub-01/{session}/anat/{case}_T2w.nii.gz"]
        assert (told["SpatialReference"], told["Manual"], told["Warning"]) == ("orig", False, RESEARCH_ONLY)
        vs = told["Findings"]["VS"]
        assert vs["volume_ml"] == pytest.approx(float(rows[case]["vs_ml"]))
        assert vs.get("koos_estimated", "") == rows[case]["vs_koos_estimated"]
        assert not any(str(derivative.parents[2]) in str(value) for value in told.values())


def test_the_derivative_says_who_made_it_of_which_data_set_and_what_the_values_are(dataset, derivative):
    told = json.loads((derivative / "dataset_description.json").read_text())
    assert told["DatasetType"] == "derivative"
    (maker,) = told["GeneratedBy"]
    assert (maker["Name"], maker["Version"]) == ("tanq-monai", __version__)
    assert (derivative / told["DatasetLinks"]["raw"]).resolve() == dataset.resolve()
    rows = [line.split("\t")[:2] for line in (derivative / "dseg.tsv").read_text().splitlines()]
    assert rows == [["index", "name"], ["1", "VS"], ["2", "cochlea"]]


def test_growth_dates_the_labels_by_the_sessions_of_the_data_set_that_they_were_made_of(derivative, tmp_path):
    done = run_command("growth", *(label(derivative, case) for case in CASES), "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    first, last = csv.DictReader((tmp_path / "growth.csv").read_text().splitlines())
    assert [(row["case"], row["date"]) for row in (first, last)] == [(CASES[0], "2020-01-01"), (CASES[1], "2022-01-01")]
    assert last["beyond_noise"] == "no"


def test_growth_takes_one_scan_of_a_day_and_of_one_subject(dataset, tmp_path):
    copy = shutil.copytree(dataset, tmp_path / "set", ignore=shutil.ignore_patterns("derivatives", "acq-TSE_T2w.json"))
    (line,) = mistakes(run_command("growth", copy / "sub-01", "-o", tmp_path / "out"))
    told = "error: sub-01_ses-1_acq-TSE: is of 2020-01-01, as sub-01_ses-1_acq-CISS; give one scan of a day"
    assert line == told
    other = copy / "sub-02" / "anat" / "sub-02_acq-CISS_T2w.nii.gz"
    other.parent.mkdir(parents=True)
    shutil.copy(next((dataset / "sub-01").rglob("*_T2w.nii.gz")), other)
    (line,) = mistakes(run_command("growth", copy, "--acq", "CISS", "-o", tmp_path / "out"))
    assert line.startswith("error: sub-02_acq-CISS: is of another patient than sub-01_ses-2_acq-CISS")


def test_a_corrected_label_is_not_replaced(dataset, derivative):
    path = label(derivative, CASES[0])
    before = path.read_bytes()
    path.write_bytes(label(derivative, CASES[1]).read_bytes() + b"\0")
    (line,) = mistakes(run_command("segment", dataset, "-o", derivative))
    path.write_bytes(before)
    assert line.startswith(f"error: {path}: is there already, and not as an earlier run wrote it")


def test_the_data_set_itself_and_two_of_them_are_refused_before_anything_is_written(dataset, tmp_path):
    (line,) = mistakes(run_command("segment", dataset / "sub-01", "-o", dataset))
    assert line.startswith(f"error: {dataset}: holds what the results are made of")
    other = shutil.copytree(dataset / "sub-01" / "ses-1", tmp_path / "other" / "sub-01" / "ses-1")
    (tmp_path / "other" / "dataset_description.json").write_text("{}")
    (line,) = mistakes(run_command("segment", dataset, other, "-o", tmp_path / "out"))
    assert line.endswith("are not all of one BIDS data set; give them to commands of their own")
    assert not (tmp_path / "out").exists()


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
