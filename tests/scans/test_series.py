"""Series of DICOM files, and NIfTI files: every voxel where it lies."""

import itertools

import nibabel as nib
import numpy as np
import pydicom
import pytest
from files import LPS, scan, write_enhanced, write_nifti, write_series
from monai.data import PydicomReader
from shared_data import shared_data_folder

from tanq_monai.errors import InputError
from tanq_monai.scans.dicom import slices_of
from tanq_monai.scans.volume import read_grid, read_volume
from tanq_monai.scans.writer import GridWriter


def test_a_nifti_file_is_read_as_stored(tmp_path):
    volume = read_volume(write_nifti(tmp_path / "a_ceT1.nii.gz", scan()))
    np.testing.assert_array_equal(volume.voxels, scan())
    np.testing.assert_allclose(volume.affine, LPS)


@pytest.mark.parametrize("positions", [[0.0, 1.5, 3.0, 4.5, 6.0, 7.5], [7.5, 6.0, 4.5, 3.0, 1.5, 0.0]])
def test_a_dicom_series_is_read_with_every_voxel_where_it_lies(tmp_path, positions):
    volume = np.rint(scan())
    write_series(tmp_path / "series", volume, positions)
    (tmp_path / "series" / "000.dcm").rename(tmp_path / "series" / "last.dcm")
    found = read_volume(tmp_path / "series")
    array, affine = found.voxels, found.affine
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
    found = read_volume(folder)
    np.testing.assert_array_equal(found.voxels, expected)
    np.testing.assert_allclose(found.affine, meta["affine"], rtol=0, atol=1e-9)


def _writer():
    out = GridWriter(output_dtype=np.float32)
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

    def fail(image, filename):
        filename.write_bytes(b"half a fi")
        raise OSError("No space left on device")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        _writer().write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("[!.]*")) == [path]


ROWS, COLUMNS = (0, 3, 11), (0, 7, 9)


def in_space(folder, positions):
    """The voxels of a series of ``write_series`` at the places of some rows and columns of its slices, (3, 3, n)."""
    found = read_volume(folder)
    places = itertools.product(ROWS, COLUMNS, positions)
    voxels = []
    for i, j, z in places:
        index = np.linalg.solve(found.affine, [3 - 0.5 * i, 4 - 0.5 * j, z, 1])[:3]
        np.testing.assert_allclose(index, np.rint(index), atol=1e-5)
        voxels.append(found.voxels[tuple(np.rint(index).astype(int))])
    return np.reshape(voxels, (len(ROWS), len(COLUMNS), -1))


def changed(folder, change):
    for number, path in enumerate(sorted(folder.glob("*.dcm"))):
        header = pydicom.dcmread(path)
        change(header, number)
        header.save_as(path)


POSITIONS = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]
SHUFFLED = [3.0, 7.5, 0.0, 1.5, 6.0, 4.5]


@pytest.mark.parametrize(
    ("positions", "number"),
    [
        (SHUFFLED, lambda n: n + 1),  # against the positions
        (SHUFFLED, lambda n: 1),
        (SHUFFLED, lambda n: ""),
        (POSITIONS, lambda n: n),
        (POSITIONS, lambda n: 100 - n),
    ],
)
def test_slices_lie_where_their_positions_say_whatever_their_numbers(tmp_path, positions, number):
    volume = np.rint(scan())
    write_series(tmp_path / "series", volume, positions)
    changed(tmp_path / "series", lambda header, n: setattr(header, "InstanceNumber", number(n)))
    np.testing.assert_array_equal(in_space(tmp_path / "series", positions), volume[np.ix_(ROWS, COLUMNS)])


def test_the_order_of_a_series_that_is_numbered_downwards_is_that_of_its_numbers(tmp_path):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS[::-1])
    found = read_volume(tmp_path / "series")
    assert found.affine[2, 2] == -1.5
    assert [path.name for path in found.files] == [f"{n:03}.dcm" for n in range(6)]


def test_files_without_preamble_are_read(tmp_path):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS)
    expected = read_volume(tmp_path / "series")
    for path in (tmp_path / "series").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_volume(tmp_path / "series").voxels, expected.voxels)


def test_files_in_subfolders_and_what_lies_beside_slices_change_nothing(tmp_path):
    series = tmp_path / "series [1]"
    write_series(series, np.rint(scan()), POSITIONS)
    expected = read_volume(series)
    (series / "DISK1").mkdir()
    (series / "003.dcm").rename(series / "DISK1" / "IM3")
    (series / "._003.dcm").write_bytes(b"\0" * 128 + b"DICM")
    for kind in ("1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.11.1"):
        header = pydicom.dcmread(series / "000.dcm", stop_before_pixels=True)
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = kind
        header.SeriesInstanceUID = pydicom.uid.generate_uid()
        header.save_as(series / kind)
    np.testing.assert_array_equal(read_volume(series).voxels, expected.voxels)


def test_spacings_that_differ_by_rounding_are_one(tmp_path):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS)
    changed(tmp_path / "series", lambda h, n: setattr(h, "PixelSpacing", ["0.5", "0.50001" if n % 2 else "0.5"]))
    np.testing.assert_allclose(read_volume(tmp_path / "series").grid.spacing, (0.5, 0.5, 1.5), rtol=1e-4)


@pytest.mark.parametrize("value", [None, ""])
def test_scaling_that_is_there_but_empty_is_none(tmp_path, value):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS, RescaleSlope=value, RescaleIntercept=value)
    np.testing.assert_array_equal(read_volume(tmp_path / "series").voxels, np.rint(scan()))


def test_every_slice_is_scaled_by_its_own_numbers(tmp_path):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS)
    changed(tmp_path / "series", lambda header, n: setattr(header, "RescaleSlope", n + 1))
    np.testing.assert_allclose(read_volume(tmp_path / "series").voxels, np.rint(scan()) * np.arange(1, 7))


@pytest.mark.parametrize("keyword", ["PixelSpacing", "RescaleSlope"])
def test_a_decimal_comma_is_told(tmp_path, keyword):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS)
    for path in (tmp_path / "series").iterdir():
        header = pydicom.dcmread(path)
        setattr(header, keyword, ["0.625", "0.625"] if keyword == "PixelSpacing" else "0.625")
        header.save_as(path)
        path.write_bytes(path.read_bytes().replace(b"0.625", b"0,625"))
    with pytest.raises(InputError, match=rf"000\.dcm: has a {keyword} that is no number .*; export it again"):
        read_volume(tmp_path / "series")


def test_frames_of_an_enhanced_file_lie_and_are_scaled_as_each_of_them_says(tmp_path):
    volume, slopes = np.rint(scan()), [1, 2, 3, 4, 5, 6]
    (tmp_path / "series").mkdir()
    write_enhanced(tmp_path / "series" / "all", volume, SHUFFLED, slopes)
    expected = (volume * slopes + 1)[np.ix_(ROWS, COLUMNS)]
    np.testing.assert_array_equal(in_space(tmp_path / "series", SHUFFLED), expected)
    assert read_grid(tmp_path / "series").is_same(read_volume(tmp_path / "series").grid)


def test_an_enhanced_file_without_a_frames_position_is_told(tmp_path):
    (tmp_path / "series").mkdir()
    write_enhanced(tmp_path / "series" / "all", np.rint(scan()), POSITIONS, [1] * 6)
    header = pydicom.dcmread(tmp_path / "series" / "all")
    del header.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    header.save_as(tmp_path / "series" / "all")
    with pytest.raises(InputError, match="all: has 0 numbers as ImagePositionPatient, not 3"):
        read_volume(tmp_path / "series")


def test_an_enhanced_file_that_holds_other_frames_than_it_describes_is_told(tmp_path):
    (tmp_path / "series").mkdir()
    write_enhanced(tmp_path / "series" / "all", np.rint(scan()), POSITIONS, [1] * 6)
    header = pydicom.dcmread(tmp_path / "series" / "all")
    del header.PerFrameFunctionalGroupsSequence[5]
    header.save_as(tmp_path / "series" / "all")
    with pytest.raises(InputError, match="all: describes 5 frames and holds 6; export it again"):
        read_volume(tmp_path / "series")


def test_a_number_that_is_none_does_not_stop_slices_that_have_positions(tmp_path):
    write_series(tmp_path / "series", np.rint(scan()), POSITIONS, InstanceNumber="77")
    for path in (tmp_path / "series").iterdir():
        path.write_bytes(path.read_bytes().replace(b"IS\x02\x0077", b"IS\x02\x00x,"))
    np.testing.assert_array_equal(in_space(tmp_path / "series", POSITIONS), np.rint(scan())[np.ix_(ROWS, COLUMNS)])


@pytest.mark.parametrize("content", [b"", b"garbage" * 99])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_slice_that_is_no_dicom_file_is_told_also_at_an_end(tmp_path, content, number):
    write_series(tmp_path, scan(), [1.5 * k for k in range(6)])
    (tmp_path / "README").write_text("passed over")
    assert len(slices_of(tmp_path)) == 6
    (tmp_path / f"{number:03}.dcm").write_bytes(content)
    with pytest.raises(
        InputError, match=rf"{number:03}\.dcm: is called like the slices beside it and is no DICOM file"
    ):
        slices_of(tmp_path)


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_preamble_and_meta_header_are_read(tmp_path, implicit):
    write_series(tmp_path / "whole", np.rint(scan()), [1.5 * k for k in range(6)])
    (tmp_path / "bare").mkdir()
    for path in (tmp_path / "whole").iterdir():
        bare = pydicom.Dataset(pydicom.dcmread(path))
        pydicom.dcmwrite(tmp_path / "bare" / path.name, bare, implicit_vr=implicit, little_endian=True)
        assert (tmp_path / "bare" / path.name).read_bytes()[:2] == b"\x08\x00"
    bare, whole = (read_volume(tmp_path / name) for name in ("bare", "whole"))
    np.testing.assert_array_equal(bare.voxels, whole.voxels)
    np.testing.assert_array_equal(bare.affine, whole.affine)
