"""`tanq-monai segment`: labels of the bundle's inference, figures that are theirs, and what cannot be used is told."""

import csv
import json
import shutil
import sys

import nibabel as nib
import numpy as np
import pytest
from contour_reader import dice, read_contours
from typed import mistakes, run_bundle, run_command

from tanq_monai import RESEARCH_ONLY
from tanq_monai.anatomy.koos import estimate_koos
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.labelling import labeller
from tanq_monai.scans.volume import read_volume


@pytest.fixture(scope="module")
def folder(tiny_phantom, tmp_path_factory):
    """Scans of virtual patients: one called as it likes and given by itself, a series; a blank scan, a cut one."""
    made = tmp_path_factory.mktemp("segment")
    (made / "tree" / "deep").mkdir(parents=True)
    first, second = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    shutil.copy(first, made / "anything.nii.gz")
    shutil.copy(second, made / "tree" / "deep" / "b_hrT2.nii.gz")
    scan = nib.load(first)
    nib.save(nib.Nifti1Image(np.zeros(scan.shape, np.int16), scan.affine), made / "tree" / "blank_hrT2.nii.gz")
    (made / "tree" / "cut_hrT2.nii.gz").write_bytes(first.read_bytes()[:2000])
    tags = virtual_tags("patient", PROTOCOLS["CISS"])
    write_mr_series(made / "series", np.asarray(scan.dataobj, float), scan.affine, tags)
    return made


@pytest.fixture(scope="module")
def done(folder):
    """What the command did, with one JSON object on the standard output."""
    places = (folder / "anything.nii.gz", folder / "tree", folder / "series")
    return run_command("segment", *places, "--json", "-o", folder / "out")


@pytest.fixture(scope="module")
def told(done):
    return json.loads(done.stdout)


def labels(folder, case):
    image = nib.load(folder / f"{case}_Label.nii.gz")
    return np.asarray(image.dataobj), image.affine


def test_every_scan_that_can_be_used_gets_a_label_and_the_others_a_line_and_exit_code_1(done, folder):
    assert sorted(path.name for path in (folder / "out").glob("*.nii.gz")) == [
        "anything_Label.nii.gz",
        "b_Label.nii.gz",
        "series_Label.nii.gz",
    ]
    blank, cut = sorted(mistakes(done))
    assert blank.startswith(f"error: {folder}/tree/blank_hrT2.nii.gz: shows nothing: all its voxels are 0")
    assert cut.startswith(f"error: {folder}/tree/cut_hrT2.nii.gz: ")


def test_the_labels_are_those_of_the_bundles_inference_on_the_grid_of_the_scan(done, folder, tmp_path):
    shutil.copy(folder / "anything.nii.gz", tmp_path / "anything_hrT2.nii.gz")
    shutil.copy(folder / "tree" / "deep" / "b_hrT2.nii.gz", tmp_path)
    plain = run_bundle("vs_cochlea_seg", "inference", dataset_dir=tmp_path, output_dir=tmp_path / "out")
    assert plain.returncode == 0, plain.stderr
    for case in ("anything", "b"):
        (found, affine), (expected, _) = labels(folder / "out", case), labels(tmp_path / "out", case)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(affine, nib.load(tmp_path / f"{case}_hrT2.nii.gz").affine)
        assert {1, 2} <= {*np.unique(found)}


def test_volumes_are_voxels_times_their_volume_right_and_left_of_the_middle_between_the_ears(told, folder):
    with (folder / "out" / "volumes.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert [*rows] == [scan["case"] for scan in told["scans"]] == ["anything", "b", "series"]
    for case, row in rows.items():
        label, affine = labels(folder / "out", case)
        ml = abs(np.linalg.det(affine[:3, :3])) / 1000
        x = (np.argwhere(label == 2) @ affine[:3, :3].T + affine[:3, 3])[:, 0]  # to the right
        right = x > (x.min() + x.max()) / 2
        assert float(row["vs_ml"]) == pytest.approx(np.count_nonzero(label == 1) * ml, abs=1e-4)
        assert float(row["cochlea_right_ml"]) == pytest.approx(np.count_nonzero(right) * ml, abs=1e-4)
        assert float(row["cochlea_left_ml"]) == pytest.approx(np.count_nonzero(~right) * ml, abs=1e-4)


def test_the_grade_of_a_vs_is_told_as_an_estimate_in_the_table_in_the_json_and_on_the_page(told, folder):
    with (folder / "out" / "volumes.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    page = (folder / "out" / "segmentations.html").read_text(encoding="utf-8")
    for scan in told["scans"]:
        label, affine = labels(folder / "out", scan["case"])
        expected = estimate_koos(label, read_volume(scan["scan"], "hrT2").voxels, affine)
        assert scan["VS"].get("koos_estimated") == expected.grade
        assert rows[scan["case"]]["vs_koos_estimated"] == (expected.grade or "")
        assert f"VS: {expected}." in page


def test_a_series_gets_its_contours_as_well_and_its_label_is_what_they_enclose(told, folder):
    assert [path.name for path in (folder / "out").glob("*.dcm")] == ["series_RTSTRUCT.dcm"]
    assert [scan.get("structure_set") for scan in told["scans"]] == [None, None, f"{folder}/out/series_RTSTRUCT.dcm"]
    _, masks = read_contours(folder / "out" / "series_RTSTRUCT.dcm", folder / "series")
    label, _ = labels(folder / "out", "series")
    assert dice(masks["VS"], label == 1) >= 0.98
    assert dice(masks["right cochlea"] | masks["left cochlea"], label == 2) >= 0.98


def test_the_json_says_where_everything_is_and_what_it_is_for(told, done, folder):
    assert told["warning"] == RESEARCH_ONLY
    assert [scan["scan"] for scan in told["scans"]] == [
        str(folder / "anything.nii.gz"),
        str(folder / "tree" / "deep" / "b_hrT2.nii.gz"),
        str(folder / "series"),
    ]
    assert [f"error: {line}" for line in told["problems"]] == mistakes(done)
    assert "python -m monai.bundle run --config_file configs/ensemble.yaml" in told["command"]
    assert f"--dataset_dir {folder}/out/linked_scans --output_dir {folder}/out" in told["command"]
    assert "[2/5] b: " in done.stderr


def test_the_page_shows_the_labelled_scans_and_tells_of_the_others_by_their_own_names(done, folder):
    page = (folder / "out" / "segmentations.html").read_text(encoding="utf-8")
    assert "3 hrT2 scans" in page and "2 not shown" in page
    assert "tree/blank_hrT2.nii.gz: shows nothing" in page
    assert "linked_scans" not in page
    assert "Research only, not a medical device" in page


def test_run_again_it_replaces_its_own_results_and_quietly_prints_nothing(done, folder):
    label = folder / "out" / "b_Label.nii.gz"
    before = label.read_bytes()
    again = run_command("segment", folder / "tree" / "deep", "--output-dir", folder / "out", "--quiet")
    assert again == (0, "", "")
    assert label.read_bytes() == before
    rows = (folder / "out" / "volumes.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["case", "b"]


def test_a_corrected_label_is_not_replaced(folder, done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out, symlinks=True)
    label, affine = labels(out, "anything")
    nib.save(nib.Nifti1Image(label, affine), out / "anything_Label.nii.gz")
    (line,) = mistakes(run_command("segment", folder / "anything.nii.gz", "-o", out))
    assert line.startswith(f"error: {out}/anything_Label.nii.gz: is there already, and not as an earlier run wrote it")


def test_nothing_but_unusable_scans_ends_with_their_lines_and_without_results(folder, tmp_path):
    done = run_command("segment", folder / "tree" / "blank_hrT2.nii.gz", "-o", tmp_path / "out")
    (line,) = mistakes(done)
    assert line.startswith(f"error: {folder}/tree/blank_hrT2.nii.gz: shows nothing")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_file()] == []


def test_a_folder_without_a_model_is_told(folder, tmp_path):
    (line,) = mistakes(run_command("segment", folder, "-o", tmp_path / "out", "--ensemble-dir", folder))
    assert line.startswith(f"error: {folder}/ensemble.json: is missing; give the folder of an ensemble")


def test_where_nothing_is_installed_that_runs_a_network_the_extra_that_does_is_told(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(labeller, "has_monai", lambda: False)
    for name in ("openvino", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    (line,) = mistakes(run_command("segment", folder / "anything.nii.gz", "-o", tmp_path / "out"))
    assert line == (
        'error: engine: none of openvino, onnxruntime is installed; python -m pip install "tanq-monai[runtime]"'
    )
    assert not (tmp_path / "out").exists()
