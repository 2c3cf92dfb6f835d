"""`python -m tanq_monai check` as a user meets it: what it prints and writes, and its exit code."""

import csv
import re

import numpy as np
import pytest
from datasets import image, write_dataset
from files import NO_TEXT, structures, write_nifti
from typed import mistakes, run_command

CET1 = "training_source/crossmoda2021_ldn_1_ceT1.nii.gz"


@pytest.fixture
def data(tmp_path):
    return write_dataset(tmp_path / "D")


def table(folder):
    with (folder / "check.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_good_data_set_is_told_with_exit_code_0(data):
    done = run_command("check", data)
    assert (done.returncode, done.stderr) == (0, "")
    folders, files, (verdict,) = (part.splitlines() for part in done.stdout.strip().split("\n\n"))
    assert [line.split()[:3] for line in folders[1:]] == [
        ["training_source", "2", "2"],
        ["training_target", "2", "0"],
        ["validation", "2", "0"],
    ]
    assert len(files) == 7
    assert re.match(rf"{CET1} +12 x 10 x 6 +0\.5 x 0\.5 x 1\.5 +LPS +0\.0 +1\.03 to 100 +18 +0 / 0 +yes", files[1])
    assert verdict == "Scans read: 6; files that cannot be used as they are: 0; with remarks: 2. Research use only."


def test_a_file_that_cannot_be_used_is_told_with_exit_code_1_and_stands_in_all_tables(data, tmp_path):
    write_nifti(data / CET1, np.zeros((12, 10, 6)))
    done = run_command("check", data, "--output-dir", tmp_path / "out")
    assert mistakes(done) == [
        f"error: {data}/{CET1}: shows nothing: all its voxels are 0; export or copy it again",
    ]
    assert re.search(rf"^{CET1} .* no$", done.stdout, flags=re.MULTILINE)
    assert "Scans read: 5; files that cannot be used as they are: 1" in done.stdout
    row = table(tmp_path / "out")[CET1]
    assert (row["usable"], row["problems"]) == (
        "no",
        "shows nothing: all its voxels are 0; export or copy it again",
    )
    page = (tmp_path / "out" / "check.html").read_text()
    assert '<td class="text">shows nothing: all its voxels are 0; export or copy it again</td>' in page


def test_the_table_has_every_figure_of_every_scan(data, tmp_path):
    run_command("check", data, "--output-dir", tmp_path / "out")
    rows = table(tmp_path / "out")
    assert len(rows) == 6
    row, voxels, labels = rows[CET1], image(0), structures()
    assert [row[f"{what}_{axis}"] for what in ("voxels", "mm") for axis in "ijk"] == [
        "12",
        "10",
        "6",
        "0.5",
        "0.5",
        "1.5",
    ]
    named = ("folder", "case", "contrast", "label", "usable", "axes", "problems")
    assert [row[name] for name in named] == ["training_source", "crossmoda2021_ldn_1", "ceT1", "yes", "yes", "LPS", ""]
    assert float(row["lowest"]) == pytest.approx(voxels.min(), rel=1e-5)
    assert float(row["highest"]) == pytest.approx(voxels.max(), rel=1e-5)
    assert float(row["vs_mm3"]) == np.count_nonzero(labels == 1) * 0.5 * 0.5 * 1.5
    assert [row[f"{name}_pieces"] for name in ("vs", "cochlea")] == ["1", "0"]  # 4.5 mm3 are a fragment
    assert row["remarks"].startswith("VS of 18 mm³ (usual 239 to 6,776 mm³); right cochlea missing")
    unlabelled = rows["validation/crossmoda2021_ldn_211_hrT2.nii.gz"]
    assert [unlabelled[name] for name in ("label", "vs_mm3", "vs_pieces", "remarks")] == ["no", "", "", ""]


def test_the_page_is_one_file_says_what_it_is_for_and_shows_names_as_they_are(data, tmp_path):
    odd = f"a <b> & {NO_TEXT}_hrT2.nii.gz"
    for name in (odd, "copy_hrT2.nii.gz"):
        write_nifti(data / "validation" / name, image(7))
    assert len(mistakes(run_command("check", data, "--output-dir", tmp_path / "out"))) == 1
    page = (tmp_path / "out" / "check.html").read_text(errors="surrogateescape")
    assert "Research only, not a medical device." in page
    assert page.count(f"validation/a &lt;b&gt; &amp; {NO_TEXT}_hrT2.nii.gz") == 2  # by its name, and by its copy's
    assert not re.search(r"<script|https?:|src=|href=", page)
    assert f"validation/{odd}" in table(tmp_path / "out")


def test_a_second_check_renews_its_files_and_nobody_elses(data, tmp_path):
    out = tmp_path / "out"
    assert run_command("check", data, "--output-dir", out).returncode == 0
    (data / CET1).write_bytes(b"")
    assert run_command("check", data, "--output-dir", out).returncode == 1
    assert table(out)[CET1]["usable"] == "no"
    (out / "check.csv").write_text("mine")
    (line,) = mistakes(run_command("check", data, "--output-dir", out))
    assert line.startswith(f"error: {out}/check.csv: is there already, and not as an earlier run wrote it")
    assert (out / "check.csv").read_text() == "mine"


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_a_folder_without_scans_is_one_mistake_and_nothing_is_printed(tmp_path, folder):
    done = run_command("check", tmp_path / folder)
    assert len(mistakes(done)) == 1
    assert done.stdout == ""


def test_the_data_set_itself_is_no_place_for_the_tables(data):
    (line,) = mistakes(run_command("check", data, "--output-dir", data))
    assert "holds what the results are made of" in line


def test_a_command_without_a_folder_is_told_in_one_line():
    done = run_command("check")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "needs --dataset-dir DATASET-DIR" in done.stderr


def test_virtual_patients_can_all_be_used(tiny_phantom):
    done = run_command("check", tiny_phantom)
    assert (done.returncode, done.stderr) == (0, "")
