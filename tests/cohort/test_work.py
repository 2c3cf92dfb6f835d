"""What a worker does with a scan: models loaded once, a record that says what is done, a line about what is not."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from files import LPS, scan, write_nifti
from made_up_models import write_model

from tanq_monai.cohort import work
from tanq_monai.cohort.work import Labelling, label_scan, read_record
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.labelling.labelled import Labelled
from tanq_monai.scans.gathering import gather_scans
from tanq_monai.segmentation.inference import ensemble


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model", "2d")


@pytest.fixture
def labelling(models, tmp_path):
    work._labeller.cache_clear()
    return Labelling(tmp_path / "out", models, "weights", ears_first=False, threads=1, device="cpu")


@pytest.fixture
def scans(tmp_path):
    for number in range(2):
        write_nifti(tmp_path / "in" / f"c{number}_hrT2.nii.gz", scan(number))
    write_mr_series(tmp_path / "in" / "series", scan(2), LPS, virtual_tags("patient", PROTOCOLS["CISS"]))
    return gather_scans([tmp_path / "in"], "hrT2").scans


def labelled(one, labelling):
    return label_scan(one, labelling.key(one), labelling)


def test_one_worker_loads_the_models_once_and_labels_every_scan_on_its_grid(scans, labelling, monkeypatch):
    loads, load = [], ensemble.load_members
    monkeypatch.setattr(ensemble, "load_members", lambda *given: loads.append(given) or load(*given))
    for one in scans:
        done = labelled(one, labelling)
        assert isinstance(done, Labelled)
        assert (done.case, done.scan) == (one.case, one.place)
        assert nib.load(done.label).shape == scan().shape
    assert len(loads) == 1
    assert [path.name for path in labelling.folder.glob("*.dcm")] == ["series_RTSTRUCT.dcm"]


def test_what_is_recorded_is_what_was_labelled_and_folders_may_be_moved(scans, labelling):
    done = labelled(scans[-1], labelling)
    key = labelling.key(scans[-1])
    assert read_record(labelling.folder, "series", key) == done
    moved = labelling.folder.rename(labelling.folder.with_name("moved"))
    assert read_record(moved, "series", key) == replace(
        done, label=moved / "series_Label.nii.gz", structure_set=moved / "series_RTSTRUCT.dcm"
    )


def test_a_scan_that_is_done_is_not_done_again(scans, labelling):
    first = labelled(scans[0], labelling)
    assert labelled(scans[0], labelling) == first  # with the seconds that it took then


@pytest.mark.parametrize("change", ["label gone", "scan", "weights", "record cut"])
def test_a_scan_is_labelled_again_when(change, scans, labelling):
    first = labelled(scans[0], labelling)
    if change == "label gone":
        first.label.unlink()
    elif change == "scan":
        write_nifti(scans[0].place, scan(9))
    elif change == "weights":
        labelling = replace(labelling, weights="others")
    else:
        record = labelling.folder / "records" / "c0.json"
        record.write_text(record.read_text()[:50])
    assert read_record(labelling.folder, "c0", labelling.key(scans[0])) is None
    again = labelled(scans[0], labelling)
    assert isinstance(again, Labelled)
    assert again.seconds != first.seconds
    assert read_record(labelling.folder, "c0", labelling.key(scans[0])) == again


def test_a_scan_that_cannot_be_read_is_a_line_and_has_no_record(scans, labelling):
    scans[0].place.write_bytes(scans[0].place.read_bytes()[:500])
    told = labelled(scans[0], labelling)
    assert told.startswith(f"{scans[0].place}: ") and "\n" not in told
    assert not list((labelling.folder / "records").iterdir())
    assert labelled(scans[0], labelling) == told
    assert isinstance(labelled(scans[1], labelling), Labelled)  # by the same models


def test_a_corrected_label_stays_and_is_told_when_its_scan_has_changed(scans, labelling):
    label = labelled(scans[0], labelling).label
    write_nifti(label, np.ones(scan().shape, np.uint8))
    corrected = label.read_bytes()
    assert isinstance(labelled(scans[0], labelling), Labelled)
    write_nifti(scans[0].place, scan(9))
    assert labelled(scans[0], labelling).startswith(f"{label}: is there already, and not as an earlier run wrote it")
    assert label.read_bytes() == corrected


def test_a_fault_of_ours_is_a_line_about_the_scan_and_its_traceback_goes_to_the_log(
    scans, labelling, monkeypatch, caplog
):
    def fail(*_: object) -> Path:
        raise IndexError("beyond\nthe end")

    monkeypatch.setattr(work, "link_scan", fail)
    told = labelled(scans[0], labelling)
    assert told == (f"{scans[0].place}: could not be labelled (IndexError: beyond\\nthe end); see the worker's log")
    assert "Traceback" in caplog.text
