"""The report of small folders: which cases it shows, in which order, and what stands on the page."""

import math
import os
import re
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pytest
from files import NO_TEXT
from small_head import patient
from typed import run_command

from tanq_monai.anatomy.koos import estimate_koos
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.report import paging, write_report
from tanq_monai.report.cases import Figures, ReportedCase, sorted_by_plausibility, sorted_by_truth
from tanq_monai.structures import Structures

ODD = "a <b> & 'c' \"d\" #1 é%20"


class _Page(HTMLParser):
    """Cases in their order, cells of the list, and every address of the page."""

    def __init__(self, html):
        super().__init__()
        self.cases, self.addresses, self.labels, self.text, self.tags = [], [], [], "", []
        self._in_link = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag == "a":
            self._in_link = True
            self.cases.append("")
        self.addresses += [values[name] for name in ("src", "href") if name in values]
        if tag == "svg" and "aria-label" in values:
            self.labels.append(values["aria-label"])

    def handle_endtag(self, tag):
        self._in_link = self._in_link and tag != "a"

    def handle_data(self, data):
        self.text += data
        if self._in_link:
            self.cases[-1] += data


class _Folders:
    """Scans, predictions and true labels of small heads."""

    def __init__(self, root):
        self.root, self.output = root, root / "out" / "report.html"
        self.scans, self.pred, self.truth = root / "scans", root / "pred", root / "truth"
        for folder in (self.scans, self.pred, self.truth):
            folder.mkdir()

    def add(self, case, change=None, grid=None):
        """A case whose prediction is ``change`` of its true label."""
        scan, label = patient()
        nib.save(scan, self.scans / f"{case}_hrT2.nii.gz")
        nib.save(label, self.truth / f"{case}_Label.nii.gz")
        found = np.array(label.dataobj)
        if change is not None:
            change(found)
        nib.save(nib.Nifti1Image(found, label.affine if grid is None else grid), self.pred / f"{case}_Label.nii.gz")

    def page(self, **choices):
        write_report(self.scans, self.pred, self.output, **choices)
        return self.read()

    def read(self):
        return _Page(self.output.read_text(encoding="utf-8"))


@pytest.fixture
def folders(tmp_path):
    return _Folders(tmp_path)


def _smaller(found):
    found[18:21][found[18:21] == 1] = 0


def _without_vs(found):
    found[found == 1] = 0


def test_worst_case_comes_first_and_the_missed_structure_before_the_low_dice(folders):
    folders.add("perfect")
    folders.add("smaller", _smaller)
    folders.add("missed", _without_vs)
    page = folders.page(truth_dir=folders.truth)
    assert page.cases == ["missed", "smaller", "perfect"]
    assert "VS missed" in page.text
    assert "350.00" in page.text


def _cet1(folders, case, moved=0.0):
    """The scan of a case upside down in grey, on a grid of half its pixels, ``moved`` mm to the left."""
    scan, _ = patient()
    values = np.asarray(scan.dataobj).max() - np.asarray(scan.dataobj)
    halved = scan.affine @ np.diag([2, 2, 1, 1])
    halved[0, 3] += moved
    nib.save(nib.Nifti1Image(values[::2, ::2].astype(np.float32), halved), folders.scans / f"{case}_ceT1.nii.gz")


def test_cet1_of_any_grid_stands_beside_every_axial_slice_of_the_cases_that_have_one(folders):
    folders.add("both")
    folders.add("alone")
    _cet1(folders, "both")
    page = folders.page(cet1_dir=folders.scans)
    beside = [label for label in page.labels if "ceT1" in label]
    assert len(beside) == 8
    assert all(label.startswith("both, ceT1 of the same slice") for label in beside)
    assert "interpolated linearly" in page.text


def test_a_cet1_that_lies_elsewhere_is_reported_and_its_case_not_shown(folders):
    folders.add("fine")
    folders.add("moved")
    _cet1(folders, "moved", 500.0)
    with pytest.raises(InputErrors, match=r"moved_ceT1\.nii\.gz: shows nothing where the structures lie; give scans"):
        folders.page(cet1_dir=folders.scans)
    assert folders.read().cases == ["fine"]


def test_a_folder_without_any_cet1_is_refused_before_anything_is_written(folders):
    folders.add("fine")
    with pytest.raises(InputError, match=r"truth: holds the ceT1 of none of the 1 scans in .*; give the folder with"):
        folders.page(cet1_dir=folders.truth)
    assert not folders.output.exists()


def test_page_gives_every_slice_a_text_alternative_and_asks_for_nothing_outside_itself(folders):
    folders.add("perfect")
    page = folders.page(truth_dir=folders.truth)
    assert len(page.labels) == 8 + 2 * 3  # structures in slices 1 to 6, two beside; two planes of three places
    assert "perfect, coronal through left cochlea; predicted: cochlea; truth: cochlea" in page.labels
    told = "perfect, axial slice 3 of 8 from the feet, at 8.0 mm; predicted: VS; truth: VS"
    assert told in page.labels
    assert all(re.match(r"data:image/jpeg;base64,|#case-1$", address) for address in page.addresses)
    assert "link" not in page.tags
    assert not re.search(r"https?://|url\(|@import", folders.output.read_text())
    assert "not a medical device" in page.text


def test_names_with_special_characters_stand_on_the_page_as_they_are(folders):
    folders.add(ODD)
    page = folders.page(truth_dir=folders.truth, title="<script>alert(1)</script>")
    assert page.cases == [ODD]
    assert "<script>alert(1)</script>" in page.text
    assert page.tags.count("script") == 1
    assert page.labels[0].startswith(ODD)


def test_a_case_whose_name_is_no_text_is_shown(folders):
    folders.add(NO_TEXT)
    write_report(folders.scans, folders.pred, folders.output)
    assert os.fsencode(NO_TEXT) in folders.output.read_bytes()


def test_each_cochlea_stands_in_ml_beside_the_range_of_one(folders):
    folders.add("one", _smaller)
    text = " ".join(folders.page(truth_dir=folders.truth).text.split())
    voxel_ml = 2.0 * 2.5 * 4.0 / 1000
    label = np.array(patient()[1].dataobj)
    for name, half in (("right", label[:30]), ("left", label[30:])):
        ml = f"{np.count_nonzero(half == 2) * voxel_ml:.3f}"
        assert f"{name} cochlea{ml}{ml} 0.033–0.092" in text
    vs, true_vs = (np.count_nonzero(part == 1) * voxel_ml for part in (label[21:], label))
    assert f"VS, right{vs:.3f}{true_vs:.3f} 0.239–6.776" in text


def test_the_grade_of_a_vs_is_called_an_estimate_and_without_a_vs_there_is_none(folders):
    folders.add("one")
    folders.add("removed", _without_vs)
    text = " ".join(folders.page().text.split())
    scan, label = patient()
    found = estimate_koos(np.array(label.dataobj), np.array(scan.dataobj), label.affine)
    assert found.grade is not None
    assert text.count("VS: Koos") == text.count(f"VS: Koos {found.grade}, estimated. Research only") == 1


def test_without_truth_implausible_volumes_come_first_then_the_least_confident(folders):
    label = np.array(patient()[1].dataobj)
    for case, sure in (("unsure", 0.25), ("sure", 0.75)):
        folders.add(case)
        image = nib.Nifti1Image(np.where(label > 0, sure, 1).astype(np.float32), patient()[1].affine)
        nib.save(image, folders.pred / f"{case}_Confidence.nii.gz")
    folders.add("none", _without_vs)
    page = folders.page()
    assert page.cases[0] == "none"
    assert "VS missing (usual 239 to 6,776 mm³)" in page.text
    assert "0.250" in page.text and "0.750" in page.text
    assert "Dice" not in page.text.partition("Slices of 8 bits")[0].replace("Mean Dice", "")


def test_three_classes_are_shown_by_configuration_alone(folders):
    def split(found):
        found[18:21][found[18:21] == 1] = 3

    folders.add("three", split)
    names = Structures({"VS intrameatal": 3, "VS extrameatal": 1, "cochlea": 2})
    page = folders.page(structures=names)
    assert "predicted: VS intrameatal, VS extrameatal" in page.labels[2]
    assert "VS intrameatal ml" in page.text
    with pytest.raises(InputErrors, match="unknown label 3"):
        folders.page()


def test_what_cannot_be_shown_is_told_and_the_others_are_shown_by_the_command(folders):
    folders.add("good")
    folders.add("far", grid=np.diag([2.0, 2.5, 4.0, 1.0]))
    folders.add("lost")
    (folders.pred / "lost_Label.nii.gz").unlink()
    result = run_command("report", "--scans", folders.scans, "--pred", folders.pred, "--output", folders.output)
    assert result.returncode == 1
    far, lost = sorted(result.stderr.strip().splitlines())
    assert re.fullmatch(r"error: .*far_Label.nii.gz: lies up to .* mm beside its scan .*", far)
    assert re.fullmatch(r"error: .*lost_Label.nii.gz: is missing, the prediction of this scan; .*", lost)
    page = folders.read()
    assert page.cases == ["good"]
    assert "2 not shown" in page.text
    assert "lost_Label.nii.gz: is missing" in page.text
    assert [path.name for path in folders.output.parent.glob("[!.]*")] == ["report.html"]


def test_the_command_ends_with_exit_code_0_when_all_is_well(folders):
    folders.add("good")
    names = '{"tumour": 1, "cochlea": 2}'
    result = run_command(
        "report",
        *("--scans", folders.scans, "--pred", folders.pred, "--truth", folders.truth),
        *("--output", folders.output, "--structures", names, "--title", "Friday"),
    )
    assert result.returncode == 0, result.stderr
    page = folders.read()
    assert "Friday" in page.text
    assert "tumour Dice" in page.text


def test_no_common_case_is_one_line_and_the_old_report_stays(folders):
    folders.add("one")
    folders.page()
    old = folders.output.read_bytes()
    (folders.pred / "one_Label.nii.gz").rename(folders.pred / "two_Label.nii.gz")
    with pytest.raises(InputError, match=r"pred: holds the prediction of none of the 1 scans in .*scans; give the"):
        folders.page()
    assert folders.output.read_bytes() == old


def test_confidence_of_another_grid_is_a_mistake(folders):
    folders.add("one")
    scan, _ = patient()
    image = nib.Nifti1Image(np.ones((4, 4, 4), dtype=np.float32), scan.affine)
    nib.save(image, folders.pred / "one_Confidence.nii.gz")
    with pytest.raises(InputErrors, match=r"one_Confidence.nii.gz: has shape \(4, 4, 4\), its scan"):
        folders.page()


def test_labels_without_compression_are_shown(folders):
    folders.add("one")
    before = folders.page(truth_dir=folders.truth)
    for folder in (folders.pred, folders.truth):
        path = folder / "one_Label.nii.gz"
        nib.save(nib.load(path), folder / "one_Label.nii")
        path.unlink()
    assert vars(folders.page(truth_dir=folders.truth)) == vars(before)


@pytest.mark.parametrize("missing", ["pred", "truth"])
def test_a_folder_that_is_not_there_is_named(folders, missing):
    folders.add("one")
    folder = getattr(folders, missing)
    folder.rename(folders.root / "elsewhere")
    with pytest.raises(InputError, match=f"{missing}: is not a folder"):
        folders.page(truth_dir=folders.truth)


def _case(name, *dice, missed=False, deviation=0.0, confidence=math.nan):
    figures = [Figures("VS", 0 if missed else 10, confidence, score, truth_mm3=10) for score in dice]
    return ReportedCase(name, figures, [], [], [], deviation, [object()], None)


def test_order_by_truth_is_missed_then_mean_dice_then_not_applicable():
    nan = math.nan
    cases = [
        _case("n/a", nan, nan),
        _case("best", 0.9, 0.8),
        _case("half n/a", nan, 0.3),
        _case("missed", 0, 0.99, missed=True),
        _case("low", 0.2, 0.2),
    ]
    ordered = [case.name for case in sorted_by_truth(cases)]
    assert ordered == ["missed", "low", "half n/a", "best", "n/a"]
    assert cases[2].mean_dice == 0.3
    assert cases[1].mean_dice == pytest.approx(0.85)


def test_order_by_plausibility_is_deviation_of_the_implausible_then_confidence_of_the_others():
    cases = [
        _case("sure", 1, confidence=0.9, deviation=0.9),
        _case("unsure", 1, confidence=0.6, deviation=0.1),
        _case("strange", 1, confidence=0.99, deviation=1.5),
        _case("missing", 1, deviation=math.inf),
    ]
    assert [case.name for case in sorted_by_plausibility(cases)] == ["missing", "strange", "unsure", "sure"]
    volumes = [_case("near", 1, deviation=0.2), _case("far", 1, deviation=0.8)]
    assert [case.name for case in sorted_by_plausibility(volumes)] == ["far", "near"]


@pytest.mark.parametrize("place", ["scans/good_hrT2.nii.gz", "pred/good_Label.nii.gz", "truth/good_Label.nii.gz"])
def test_a_page_is_not_written_onto_a_scan_or_a_label(folders, place):
    folders.add("good")
    before = (folders.root / place).read_bytes()
    with pytest.raises(InputError, match=r"good_.*.nii.gz: is no name of a page; let it end in .html"):
        write_report(folders.scans, folders.pred, folders.root / place, truth_dir=folders.truth)
    assert (folders.root / place).read_bytes() == before


def test_a_page_of_somebody_else_stays_and_an_earlier_report_is_renewed(folders):
    folders.add("good")
    page = folders.root / "page.html"
    page.write_text("mine")
    with pytest.raises(InputErrors, match=r"page.html: is there already, and not as an earlier run wrote it"):
        write_report(folders.scans, folders.pred, page)
    assert page.read_text() == "mine"
    for title in ("first", "second"):
        assert title in folders.page(title=title).text


def test_more_cases_than_a_page_holds_are_listed_worst_first_with_their_pictures_on_pages_beside(folders, monkeypatch):
    monkeypatch.setattr(paging, "CASES_PER_PAGE", 2)
    for name in ("perfect", "good"):
        folders.add(name)
    folders.add("missed", _without_vs)
    page = folders.page(truth_dir=folders.truth)
    assert page.cases == ["1–2", "3–3", "missed", "good", "perfect"]
    assert not page.labels and "script" not in page.tags
    first, second = (f"report_page_0{number}.html" for number in (1, 2))
    assert page.addresses == [first, second, f"{first}#case-1", f"{first}#case-2", f"{second}#case-3"]
    shown = [_Page((folders.output.parent / name).read_text()) for name in (first, second)]
    assert [one.cases for one in shown] == [
        ["all 3 cases", "1–2", "3–3", *names] for names in (page.cases[2:4], page.cases[4:])
    ]
    assert "report.html" in shown[1].addresses and "#case-3" in shown[1].addresses
    monkeypatch.undo()
    assert folders.page(truth_dir=folders.truth).cases == ["missed", "good", "perfect"]
    assert [path.name for path in folders.output.parent.glob("[!.]*")] == ["report.html"]


def test_a_page_of_somebody_else_beside_the_list_stays_and_nothing_is_written(folders, monkeypatch):
    monkeypatch.setattr(paging, "CASES_PER_PAGE", 1)
    for name in ("one", "two"):
        folders.add(name)
    own = folders.output.with_name("report_page_02.html")
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(InputErrors, match=r"report_page_02.html: is there already"):
        folders.page()
    assert [path.name for path in own.parent.iterdir()] == [own.name] and own.read_text() == "mine"
