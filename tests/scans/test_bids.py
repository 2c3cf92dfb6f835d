"""BIDS data sets: which scans are hrT2, of whom and of which day, by names, side-cars and tables."""

import json

import pytest
from files import scan, write_nifti

from tanq_monai.errors import InputError
from tanq_monai.scans.bids import dataset_of, header_of, label_path
from tanq_monai.scans.gathering import gather_scans

CISS = {"MRAcquisitionType": "3D", "ScanningSequence": "GR", "RepetitionTime": 0.00995, "FlipAngle": 70}


def write_dataset(root, *names, **sidecars):
    """Scans of these names, each where BIDS wants it, and side-cars of all of an acquisition."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text('{"Name": "virtual", "BIDSVersion": "1.10.0"}')
    for acq, content in sidecars.items():
        (root / f"acq-{acq}_T2w.json").write_text(json.dumps(content))
    return [write_nifti(place(root, name), scan(number)) for number, name in enumerate(names)]


def place(root, name):
    folders = [part for part in name.split("_") if part.startswith(("sub-", "ses-"))]
    return root.joinpath(*folders, "anat", f"{name}.nii.gz")


def names(found):
    return [one.case for one in found.scans]


def test_a_data_set_gives_its_t2w_scans_and_nothing_of_derivatives_sources_or_phases(tmp_path):
    root = tmp_path / "set"
    wanted = ("sub-01_T2w", "sub-02_ses-1_acq-ciss_T2w", "sub-02_ses-2_acq-ciss_part-mag_T2w")
    write_dataset(root, *wanted, "sub-01_T1w", "sub-02_ses-2_acq-ciss_part-phase_T2w")
    write_nifti(place(root / "derivatives" / "other", "sub-01_T2w"), scan())
    write_nifti(root / "sourcedata" / "a_T2.nii.gz", scan())
    expected = [name.removesuffix("_T2w") for name in wanted]
    for top in (root, tmp_path):
        found = gather_scans([top], "hrT2")
        assert (names(found), found.problems, found.passed_over) == (expected, [], [])


def test_a_subject_a_session_and_a_file_are_parts_of_their_data_set(tmp_path):
    _, _, file = write_dataset(tmp_path, "sub-01_T2w", "sub-02_ses-1_T2w", "sub-02_ses-2_T2w")
    assert names(gather_scans([tmp_path / "sub-02"], "hrT2")) == ["sub-02_ses-1", "sub-02_ses-2"]
    assert names(gather_scans([tmp_path / "sub-02" / "ses-2"], "hrT2")) == ["sub-02_ses-2"]
    assert names(gather_scans([file], "hrT2")) == ["sub-02_ses-2"]
    assert dataset_of(file) == dataset_of(tmp_path) == tmp_path
    assert dataset_of(tmp_path / "derivatives") is None
    label = tmp_path / "out" / "sub-02" / "ses-2" / "anat" / "sub-02_ses-2_desc-tanq_dseg.nii.gz"
    assert label_path(file, tmp_path, tmp_path / "out") == label


def test_an_acquisition_is_chosen_by_its_label(tmp_path):
    write_dataset(tmp_path, "sub-01_acq-ciss_T2w", "sub-01_acq-tse_T2w", "sub-02_T2w")
    assert names(gather_scans([tmp_path], "hrT2", acq="tse")) == ["sub-01_acq-tse"]
    (problem,) = gather_scans([tmp_path], "hrT2", acq="space").problems
    assert str(problem) == f"{tmp_path}: has no T2w scan of acq-space; choose acq-ciss or acq-tse"
    path = write_nifti(tmp_path.parent / "elsewhere" / "a_hrT2.nii.gz", scan())
    (problem,) = gather_scans([path], "hrT2", acq="tse").problems
    assert str(problem) == f"{path}: is of no BIDS data set, and has no acq-tse; leave --acq out"


@pytest.mark.parametrize(
    ("sidecar", "reason"),
    [
        (CISS, None),
        ({"SliceThickness": 0.6, "EchoTime": 0.0044}, None),  # says too little to be against it
        (CISS | {"MRAcquisitionType": "2D"}, "MRAcquisitionType 2D"),
        ({"ScanningSequence": "SE", "RepetitionTime": 2.7, "EchoTime": 0.16}, None),  # of seconds
        ({"ScanningSequence": "SE", "RepetitionTime": 2.7, "EchoTime": 0.02}, "EchoTime 20.0, not at least 80"),
        ({"ScanningSequence": ["GR", "IR"], "RepetitionTime": 2.2}, "ScanningSequence GR\\\\IR"),
        ({"ScanningSequence": "GR_IR", "RepetitionTime": 2.2}, "ScanningSequence GR\\\\IR"),
        (CISS | {"ImageType": ["DERIVED", "SECONDARY"]}, "ImageType DERIVED"),
        (CISS | {"FlipAngle": "much", "SliceThickness": [1, 2]}, None),
    ],
)
def test_a_sidecar_speaks_against_a_scan_as_a_dicom_header_would(tmp_path, sidecar, reason):
    (path,) = write_dataset(tmp_path, "sub-01_acq-x_T2w", x=sidecar)
    found = gather_scans([tmp_path], "hrT2")
    if reason is None:
        assert (names(found), found.problems, found.passed_over) == (["sub-01_acq-x"], [], [])
    else:
        (line,) = map(str, [*found.passed_over, *found.problems])
        assert line.startswith(f"{path}: is no hrT2 by its side-car (")
        assert reason.replace("\\\\", "\\") in line
        assert names(gather_scans([path], "hrT2")) == ["sub-01_acq-x"]  # named itself


def test_a_sidecar_nearer_to_the_scan_counts_and_one_of_other_scans_does_not(tmp_path):
    (path, other) = write_dataset(tmp_path, "sub-01_acq-a_T2w", "sub-01_acq-b_T2w", a={"FlipAngle": 1, "EchoTime": 0.1})
    path.with_name("sub-01_acq-a_T2w.json").write_text('{"FlipAngle": 2}')
    assert (header_of(path).FlipAngle, header_of(path).EchoTime) == (2, 100)
    assert "FlipAngle" not in header_of(other)


def test_a_day_is_that_of_the_scan_else_of_its_session(tmp_path):
    first, second, third = write_dataset(tmp_path, "sub-01_ses-1_T2w", "sub-01_ses-2_T2w", "sub-02_T2w")
    table = "session_id\tacq_time\nses-1\t2020-01-01T00:00:00\nses-2\t2021-01-01\n"
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text(table)
    table = "filename\tacq_time\nanat/sub-01_ses-2_T2w.nii.gz\t2021-03-04T05:06:07\n"
    (tmp_path / "sub-01" / "ses-2" / "sub-01_ses-2_scans.tsv").write_text(table)
    (tmp_path / "sub-02" / "sub-02_scans.tsv").write_text("filename\tacq_time\nanat/sub-02_T2w.nii.gz\tn/a\n")
    assert [header_of(path).get("AcquisitionDate") for path in (first, second, third)] == ["20200101", "20210304", ""]
    assert [header_of(path).PatientID for path in (first, second, third)] == ["sub-01", "sub-01", "sub-02"]


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_sidecar_that_is_none_is_told_and_the_other_scans_are_taken(tmp_path, text):
    path, _ = write_dataset(tmp_path, "sub-01_T2w", "sub-02_T2w")
    sidecar = path.with_name("sub-01_T2w.json")
    sidecar.write_text(text)
    found = gather_scans([tmp_path], "hrT2")
    assert names(found) == ["sub-02"]
    (problem,) = found.problems
    assert str(problem).startswith(f"{sidecar}: ")


def test_outside_of_data_sets_nothing_is_said(tmp_path):
    assert header_of(write_nifti(tmp_path / "sub-01_T2w.nii.gz", scan())) is None
    (path,) = write_dataset(tmp_path / "set", "sub-01_T2w")
    (tmp_path / "set" / "sub-01" / "sub-01_sessions.tsv").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(InputError, match=r"sub-01_sessions\.tsv: cannot be read"):
        header_of(path)
