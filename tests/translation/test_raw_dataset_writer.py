"""A raw data set as it grows: what is written, and what counts as there."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from files import LPS, SHAPE, scan, structures, write_nifti
from work import calls_of

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.scans.grid import in_scanner
from tanq_monai.scans.raw_dataset import is_raw_dataset, read_provenance
from tanq_monai.translation.views.output import RawDatasetWriter, VolumeFiles, source_of

FACTS = {"case": "a", "view": "tanq", "model": {"file": "model.pt", "sha256": "12"}}


@pytest.fixture
def files(tmp_path: Path) -> VolumeFiles:
    return VolumeFiles(scan() / 100, structures().astype(np.uint8), in_scanner(SHAPE, LPS))


@pytest.fixture
def writer(tmp_path: Path, files: VolumeFiles) -> RawDatasetWriter:
    """With one finished translation."""
    writer = RawDatasetWriter(tmp_path / "raw")
    writer.write("a_tanq", files, FACTS, {"cost": 1.5})
    return writer


def test_image_and_label_lie_where_the_scan_lies(writer: RawDatasetWriter, files: VolumeFiles) -> None:
    image = nib.load(writer.folder / "imagesTr" / "a_tanq_0000.nii.gz")
    label = nib.load(writer.folder / "labelsTr" / "a_tanq.nii.gz")
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), files.voxels)
    np.testing.assert_array_equal(np.asanyarray(label.dataobj), structures())
    np.testing.assert_allclose(image.affine, LPS)
    np.testing.assert_allclose(label.affine, LPS)
    assert image.shape == label.shape == SHAPE


def test_a_translation_is_there_when_it_was_made_of_the_same_and_its_files_are(writer: RawDatasetWriter) -> None:
    again = RawDatasetWriter(writer.folder)
    assert again.has("a_tanq", FACTS)
    assert again.has("a_tanq", FACTS, measured=["cost"])
    assert not again.has("a_tanq", FACTS, measured=["cost", "worth"])
    assert not again.has("a_tanq", FACTS | {"model": {"file": "model.pt", "sha256": "34"}})
    assert not again.has("a_tanq", FACTS | {"label_free": True})
    assert not again.has("b_tanq", FACTS)
    (writer.folder / "labelsTr" / "a_tanq.nii.gz").unlink()
    assert not again.has("a_tanq", FACTS)


def test_while_files_change_it_is_no_finished_data_set(writer: RawDatasetWriter, files: VolumeFiles) -> None:
    writer.finish(["a_tanq"])
    assert is_raw_dataset(writer.folder)
    writer.write("b_tanq", files, FACTS | {"case": "b"})
    assert not is_raw_dataset(writer.folder)


def test_a_translation_whose_renewal_was_interrupted_does_not_count_as_there(
    writer: RawDatasetWriter, files: VolumeFiles
) -> None:
    writer.finish(["a_tanq"])
    again = RawDatasetWriter(writer.folder)
    with pytest.raises(AttributeError):
        again.write("a_tanq", VolumeFiles(files.voxels, None, files.grid), FACTS)
    assert not RawDatasetWriter(writer.folder).has("a_tanq", FACTS)


def test_what_a_run_that_was_killed_had_finished_counts_as_there(writer: RawDatasetWriter, files: VolumeFiles) -> None:
    begun = "\n" + json.dumps({"name": "b_tanq", "record": FACTS})
    with writer.journal.open("a") as journal:
        journal.write(begun[:-9])  # killed while it wrote
    again = RawDatasetWriter(writer.folder)
    assert again.has("a_tanq", FACTS)
    assert again.records.keys() == {"a_tanq"}
    again.write("c_tanq", files, FACTS)
    last = RawDatasetWriter(writer.folder)
    assert last.records.keys() == {"a_tanq", "c_tanq"}
    last.finish(["a_tanq", "c_tanq"])
    assert read_provenance(writer.folder) == last.records
    assert not last.journal.exists()


def test_what_is_noted_of_a_scan_does_not_grow_with_the_scans_before(
    writer: RawDatasetWriter, files: VolumeFiles
) -> None:
    sizes = []
    for number in range(4):
        writer.write(f"case_{number}", files, FACTS)
        sizes.append(writer.journal.stat().st_size)
    assert len(set(np.diff(sizes))) == 1
    assert not (writer.folder / "provenance.json").exists()


def test_a_scan_among_hundreds_takes_no_more_work_than_one_among_few(tmp_path: Path) -> None:
    writer = RawDatasetWriter(tmp_path / "raw")
    small = VolumeFiles(np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.uint8), in_scanner((2, 2, 2), LPS))

    def work_on(name: str) -> int:
        return calls_of(lambda: writer.write(name, small, FACTS))

    for again in (False, True):
        work = [work_on(f"case_{number:03}") for number in range(80)]
        few, many = np.mean(work[5:15]), np.mean(work[-10:])
        assert many < 1.02 * few, f"made {'again' if again else 'anew'}: {few} calls, then {many}"


def test_a_data_set_that_ends_as_it_was_is_left_as_it_was(writer: RawDatasetWriter) -> None:
    writer.finish(["a_tanq"])
    before = {path: path.stat().st_mtime_ns for path in writer.folder.rglob("*")}
    RawDatasetWriter(writer.folder).finish(["a_tanq"])
    assert {path: path.stat().st_mtime_ns for path in writer.folder.rglob("*")} == before


def test_nothing_of_somebody_elses_data_set_is_replaced(tmp_path: Path, files: VolumeFiles) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a dataset.json that no run wrote; choose another folder"):
        RawDatasetWriter(tmp_path)
    own = write_nifti(tmp_path / "other" / "labelsTr" / "a_tanq.nii.gz", structures())
    before = own.read_bytes()
    with pytest.raises(InputErrors, match=r"a_tanq.nii.gz: is there already, and not as an earlier run wrote it"):
        RawDatasetWriter(tmp_path / "other").write("a_tanq", files, FACTS)
    assert own.read_bytes() == before


def test_the_hash_of_a_file_is_that_of_all_its_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(2_500_000)
    (tmp_path / "model.pt").write_bytes(content)
    expected = {"file": "model.pt", "sha256": hashlib.sha256(content).hexdigest()}
    assert source_of(tmp_path / "model.pt") == expected
    (tmp_path / "model.pt").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert source_of(tmp_path / "model.pt") != expected
