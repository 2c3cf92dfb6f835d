"""The report of one segmented series."""

import json
import re

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tanq_monai.anatomy.koos import estimate_koos
from tanq_monai.deploy.app.report import describe, write_report

AFFINE = np.diag([-0.5, -0.6, 1.5, 1.0])
EMPTY = np.zeros((200, 100, 24), np.uint8)
ALL = EMPTY.copy()
ALL[40:80, 40:60, 5:11] = 1  # 20 mm, 12 mm, 6 slices
ALL[20:30, 30:38, 8:12] = ALL[160:170, 30:38, 8:12] = 2


@pytest.mark.parametrize("made", [ALL, EMPTY], ids=["all", "nothing"])
def test_the_page_tells_the_numbers_and_for_what_they_may_be_used(tmp_path, made):
    header = Dataset()
    header.PatientID, header.SeriesDescription = "<b>7</b>", "t2 ciss"
    image = np.random.default_rng(0).uniform(0, 100, made.shape)
    description = describe(image, made, AFFINE, header, "the user", "vs_cochlea_seg 9.9")
    write_report(tmp_path, image, made, AFFINE, description)
    page = (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "report.json").read_text()) == description
    assert description["measurements"] == ("measurements.dcm" if made.any() else None)
    assert "Research use only. Not a medical device" in page
    assert "vs_cochlea_seg 9.9" in page and "t2 ciss" in page
    assert "<b>7</b>" not in page and "&lt;b&gt;7" in page
    told = [doubt for doubt in description["doubts"] if "missing" in doubt]
    assert page.count("not found") == page.count(" missing (usual") == len(told)
    assert '<meta name="viewport" content="width=device-width' in page
    for marks in ("RLAP", "RLHF", "APHF"):  # of an axial, a coronal and a sagittal picture
        sides = zip(("left", "right", "top", "bottom"), marks, strict=True)
        assert "".join(f'<span class="mark {side}" aria-hidden="true">{mark}</span>' for side, mark in sides) in page
    assert "20 mm</span>" in page
    if made.any():
        assert re.search(r"VS, right</th><td>2.160</td>\s*<td>0.239–6.776</td>\s*<td>[\d.]+</td>", page)
        assert "20.0 × 12.0 × 7.5" in page
        assert page.count('class="found"') >= 3 * 3  # outlines of three structures in three planes


@pytest.mark.parametrize("brain", [25.0, 100.0], ids=["grey", "fluid"])
def test_json_and_page_have_the_koos_grade_that_the_scan_speaks_for(tmp_path, brain):
    image = np.full(ALL.shape, brain)
    image[ALL == 1] = 30
    image[:20] = 100
    description = describe(image, ALL, AFFINE, Dataset(), "the user", "vs_cochlea_seg 9.9")
    write_report(tmp_path, image, ALL, AFFINE, description)
    expected = estimate_koos(ALL, image, AFFINE)
    assert expected.grade == {25.0: "III or IV", 100.0: "I or II"}[brain]
    assert description["VS"]["koos_estimated"] == expected.grade
    assert f"<p>VS: Koos {expected.grade}, estimated." in (tmp_path / "report.html").read_text()


def test_json_and_page_tell_why_a_vs_has_no_koos_grade(tmp_path):
    image = np.where(ALL == 1, 100.0, 30.0)
    description = describe(image, ALL, AFFINE, Dataset(), "the user", "vs_cochlea_seg 9.9")
    write_report(tmp_path, image, ALL, AFFINE, description)
    assert description["VS"]["koos_not_graded"] == "no fluid about the VS is brighter"
    assert "no Koos grade is estimated: no fluid about the VS is brighter." in (tmp_path / "report.html").read_text()
