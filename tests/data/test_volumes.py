import nibabel as nib
import numpy as np
import pytest
from files import LPS, scan, write_nifti, write_series
from monai.data import PydicomReader
from shared_data import shared_data_folder

from tanq_monai.data import writer
from tanq_monai.data.volumes import read_volume
from tanq_monai.data.writer import AtomicNibabelWriter


def test_a_nifti_file_is_read_as_stored(tmp_path):
    array, affine = read_volume(write_nifti(tmp_path / "a_ceT1.nii.gz", scan()))
    np.testing.assert_array_equal(array, scan())
    np.testing.assert_allclose(affine, LPS)


@pytest.mark.parametrize("positions", [[0.0, 1.5, 3.0, 4.5, 6.0, 7.5], [7.5, 6.0, 4.5, 3.0, 1.5, 0.0]])
def test_a_dicom_series_is_read_with_every_voxel_where_it_lies(tmp_path, positions):
    volume = np.rint(scan())
    write_series(tmp_path / "series", volume, positions)
    (tmp_path / "series" / "000.dcm").rename(tmp_path / "series" / "last.dcm")
    array, affine = read_volume(tmp_path / "series")
    assert array.shape == volume.shape
    assert affine.dtype == np.float64
    for i, j, k in [(0, 0, 0), (3, 1, 0), (2, 7, 4), (11, 9, 5)]:
        x, y, z = -(-3 + 0.5 * i), -(-4 + 0.5 * j), positions[k]  # DICOM is LPS, the affine RAS
        found = np.linalg.solve(affine, [x, y, z, 1])[:3]
        np.testing.assert_allclose(found, np.rint(found), atol=1e-5)
        assert array[tuple(np.rint(found).astype(int))] == volume[i, j, k]


@pytest.mark.parametrize("positions", [[0.0, 1.5, 3.0, 4.5, 6.0, 7.5], [7.5, 6.0, 4.5, 3.0, 1.5, 0.0]])
def test_a_series_is_read_as_monai_reads_it(tmp_path, positions):
    write_series(tmp_path / "series", np.rint(scan()), positions)
    assert_same_as_monai(tmp_path / "series")


def test_a_real_series_is_read_as_monai_reads_it():
    assert_same_as_monai(shared_data_folder("vs_seg_001") / "ceT1_dicom")


def assert_same_as_monai(folder):
    reader = PydicomReader()
    expected, meta = reader.get_data(reader.read(str(folder)))
    array, affine = read_volume(folder)
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_allclose(affine, meta["affine"], rtol=0, atol=1e-9)


def _writer():
    out = AtomicNibabelWriter(output_dtype=np.float32)
    out.set_data_array(scan(), channel_dim=None)
    out.set_metadata({"affine": LPS}, resample=False)
    return out


@pytest.mark.parametrize("name", ["a_hrT2.nii.gz", "a_hrT2.nii"])
def test_a_written_volume_is_read_back_and_nothing_lies_beside_it(tmp_path, name):
    _writer().write(tmp_path / name)
    assert [path.name for path in tmp_path.glob("[!.]*")] == [name]
    image = nib.load(tmp_path / name)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), scan())
    np.testing.assert_allclose(image.affine, LPS)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a_hrT2.nii.gz"
    _writer().write(path)
    before = path.read_bytes()

    def fail(self, filename, verbose=False, **kwargs):
        filename.write_bytes(b"half a fi")
        raise OSError("No space left on device")

    monkeypatch.setattr(writer.NibabelWriter, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        _writer().write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("[!.]*")) == [path]
