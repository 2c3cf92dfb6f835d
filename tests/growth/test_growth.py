"""`tanq-monai growth`: labels and series of one patient become a table and a page that say what was measured."""

import csv
import re

import numpy as np
import pytest
from files import write_nifti
from typed import mistakes, run_command

from tanq_monai import RESEARCH_ONLY
from tanq_monai.anatomy.koos import Koos
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.growth.course import Visit, course_of
from tanq_monai.growth.growth import Growth
from tanq_monai.growth.noise import measured_noise
from tanq_monai.growth.output import write_course_page
from tanq_monai.growth.plot import plot_of
from tanq_monai.scans.volume import read_volume

AFFINE = np.diag([-0.5, -0.5, 1.0, 1.0])  # LPS, 0.25 mm3
DAYS = {"a": "2020-01-01", "b": "2021-01-01", "c": "2023-01-01"}


def label(slices):
    """A VS of 0.4 ml for every slice, and two cochleae."""
    made = np.zeros((200, 100, 24), np.uint8)
    made[40:80, 40:80, 5 : 5 + slices] = 1
    made[20:26, 30:36, 8:11] = made[160:166, 30:36, 8:11] = 2
    return made


@pytest.fixture
def folder(tmp_path):
    """Labels of 0.8, 0.8 and 6.4 ml."""
    for case, slices in zip("abc", (2, 2, 16), strict=True):
        write_nifti(tmp_path / f"{case}_Label.nii.gz", label(slices), AFFINE)
    return tmp_path


def grown(folder, *cases, text=None):
    table = text or "case,date\n" + "".join(f"{case},{DAYS[case]}\n" for case in cases)
    (folder / "dates.csv").write_text(table)
    labels = [folder / f"{case}_Label.nii.gz" for case in cases]
    return run_command("growth", *labels, "--dates", folder / "dates.csv", "--output-dir", folder / "out")


def rows(folder):
    with (folder / "out" / "growth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_become_a_table_in_the_order_of_their_days(folder):
    done = grown(folder, "c", "a", "b")
    assert done.returncode == 0, done.stderr
    first, same, larger = rows(folder)
    assert [row["date"] for row in (first, same, larger)] == [*DAYS.values()]
    assert [float(row["vs_ml"]) for row in (first, same, larger)] == pytest.approx([0.8, 0.8, 6.4])
    noise = measured_noise()
    assert float(first["vs_ml_low"]) == pytest.approx(noise.volume(0.8).low, abs=1e-4)
    assert (first["change_percent"], first["beyond_noise"]) == ("", "")
    assert first["vs_koos_estimated"] == ""  # which needs the scan
    assert (same["change_percent"], same["flag_20_percent"], same["beyond_noise"]) == ("0.0", "no", "no")
    assert same["doubling_years"] == ""
    assert (larger["change_percent"], larger["flag_20_percent"], larger["beyond_noise"]) == ("700.0", "yes", "yes")
    assert float(larger["doubling_years"]) == pytest.approx(730 / 365.25 / 3, abs=0.01)  # three doublings
    assert float(larger["doubling_years_low"]) < float(larger["doubling_years"]) < float(larger["doubling_years_high"])


def test_the_page_and_the_terminal_say_the_same_and_for_what_it_may_be_used(folder):
    done = grown(folder, "a", "b", "c")
    page = " ".join((folder / "out" / "growth.html").read_text(encoding="utf-8").split())
    last = done.stdout.splitlines()[-2]
    assert last.startswith("From 2020-01-01 to 2023-01-01 (3.0 years): larger beyond the noise (+700 %, 20 % or more;")
    assert "volume doubling time 1.0 years (" in last
    assert last in page
    assert RESEARCH_ONLY in page and RESEARCH_ONLY in done.stdout
    assert page.count("<circle") == 3 and page.count('class="bar"') == 3
    assert measured_noise().facts["command"] in page
    assert "Labels were taken as they were given." in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)  # nothing is fetched


def test_of_an_unchanged_vs_nothing_but_that_is_said(folder):
    done = grown(folder, "a", "b")
    page = (folder / "out" / "growth.html").read_text(encoding="utf-8")
    assert "no change beyond the noise (+0 %;" in done.stdout
    assert "if it grows at all, its volume doubles in" in done.stdout
    for word in ("larger", "smaller", "grows "):
        assert word not in done.stdout.replace("if it grows at all", "")
        assert word not in page.replace("if it grows at all", "")


def test_run_again_it_replaces_its_own_and_leaves_what_somebody_changed(folder):
    assert grown(folder, "a", "b").returncode == 0
    assert grown(folder, "a", "c").returncode == 0
    (folder / "out" / "growth.csv").write_text("mine")
    (line,) = mistakes(grown(folder, "a", "b"))
    assert "growth.csv: is there already" in line
    assert (folder / "out" / "growth.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("cases", "text", "told"),
    [
        (("a",), "case,date\na,2020-01-01\n", "growth: has 1 scans of different names; give two or more"),
        (("a", "b"), "case,date\na,2020-01-01\n", "b: has no date; give --dates"),
        (("a", "x"), "case,date\na,2020-01-01\nx,2021-01-01\n", "x_Label.nii.gz: does not exist"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(folder, cases, text, told):
    (line,) = mistakes(grown(folder, *cases, text=text))
    assert told in line
    assert [path.name for path in (folder / "out").iterdir() if not path.name.startswith(".")] == []


def test_a_drawing_has_its_marks_at_their_days_and_volumes():
    noise = measured_noise()
    days = [np.datetime64("2020-01-01") + 100 * number for number in (0, 1, 4)]
    course = course_of([Visit(str(day), day.item(), ml) for day, ml in zip(days, (1.0, 0.0, 2.0), strict=True)], noise)
    plot = plot_of(course)
    first, last = plot.marks  # what was not found is no volume of 0
    assert (first.x, last.x) == (64, 720 - 24)
    (low, zero), (high, most) = plot.ticks[0], plot.ticks[-1]
    assert zero == "0" and float(most) >= noise.volume(2.0).high
    per_ml = (low - high) / float(most)
    assert low - first.y == pytest.approx(per_ml * 1.0, abs=0.1)
    assert last.low - last.high == pytest.approx(per_ml * (noise.volume(2.0).high - noise.volume(2.0).low), abs=0.2)


def test_a_scan_without_a_grade_has_the_reason_and_a_label_without_its_scan_nothing(tmp_path):
    graded, cut = Koos("I or II"), Koos(None, "the VS is cut off by the edge of the scan")
    days = [np.datetime64(day).item() for day in DAYS.values()]
    visits = [Visit(str(day), day, 1.0, koos=koos) for day, koos in zip(days, (graded, cut, Koos()), strict=True)]
    course = course_of(visits, measured_noise())
    write_course_page(course, tmp_path / "page.html", "")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    first, second, third, _ = Growth(course, tmp_path / "table", tmp_path / "page.html").lines
    for line, koos in ((first, graded), (second, cut)):
        assert f"; {koos}" in line and page.count(str(koos)) == 1
    assert "Koos" not in third and page.count('class="soft told"') == 2


@pytest.fixture(scope="module")
def series(tiny_phantom, tmp_path_factory):
    """A virtual patient's scan as two series, of 2020 and of 2022, of which the headers tell."""
    made = tmp_path_factory.mktemp("series")
    scan = read_volume(sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))[1])
    for day in ("20200101", "20220101"):
        tags = virtual_tags("patient", PROTOCOLS["CISS"])
        tags.StudyDate = day
        write_mr_series(made / day, scan.voxels.astype(float), scan.affine, tags)
    return made


def test_series_are_labelled_first_and_tell_their_dates(series):
    done = run_command("growth", series / "20220101", series / "20200101", "-o", series / "out")
    assert done.returncode == 0, done.stderr
    first, last = rows(series)
    assert [row["date"] for row in (first, last)] == ["2020-01-01", "2022-01-01"]
    assert first["vs_ml"] == last["vs_ml"]  # the same scan
    assert (last["change_percent"], last["beyond_noise"]) == ("0.0", "no")
    with (series / "out" / "labels" / "volumes.csv").open(encoding="utf-8", newline="") as file:
        grades = [row["vs_koos_estimated"] for row in csv.DictReader(file)]
    assert first["vs_koos_estimated"] == last["vs_koos_estimated"] == grades[0] == grades[1] != ""
    assert done.stdout.count(f"Koos {grades[0]}, estimated") == 2
    assert (series / "out" / "growth.html").read_text(encoding="utf-8").count(f"Koos {grades[0]}, estimated") == 2
    assert (series / "out" / "labels" / "segmentations.html").is_file()
    assert len([*(series / "out" / "labels").glob("*_RTSTRUCT.dcm")]) == 2
