import gzip
import re
import struct
import tempfile

import numpy as np
import pydicom
import pytest
from files import LPS, SHAPE, scan, structures, write_nifti, write_series

from tanq_monai.errors import InputError
from tanq_monai.files import check_output_dir
from tanq_monai.scans.dicom import is_dicom
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_grid, read_volume


def _told(path, problem, remedy):
    """The one line a user reads: the file, what is wrong, what to do."""
    return rf"^{re.escape(str(path))}: [^\n]*{problem}[^\n]*; [^\n]*{remedy}[^\n]*$"


def check_label(label, image):
    read_labels(label, (1, 2), read_grid(image), "its image")


@pytest.fixture
def image(tmp_path):
    """A good image."""
    return write_nifti(tmp_path / "a_ceT1.nii.gz", scan())


@pytest.fixture
def label(tmp_path, image):
    """Its good label."""
    return write_nifti(tmp_path / "a_Label.nii.gz", structures())


def test_a_good_case_passes(image, label):
    read_volume(image)
    check_label(label, image)


def test_a_case_without_structures_passes(tmp_path, image):
    check_label(write_nifti(tmp_path / "a_Label.nii.gz", np.zeros(SHAPE)), image)


def test_a_missing_file_is_told(tmp_path):
    path = tmp_path / "a_ceT1.nii.gz"
    with pytest.raises(InputError, match=_told(path, "does not exist", "look for its right name")):
        read_volume(path)


def test_an_empty_file_is_told(image):
    image.write_bytes(b"")
    with pytest.raises(InputError, match=_told(image, "is empty", "copy it again")):
        read_volume(image)


@pytest.mark.parametrize("kept", [1, 5, 30, 200, 400, 0.5, 0.95])
def test_a_truncated_file_is_told(image, kept):
    whole = image.read_bytes()
    image.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(InputError, match=_told(image, "cannot be read as NIfTI", "copy it again")):
        read_volume(image)


def test_a_damaged_label_is_told(image, label):
    content = bytearray(label.read_bytes())
    content[len(content) // 3 :] = b"\xff" * (len(content) - len(content) // 3)
    label.write_bytes(content)
    with pytest.raises(InputError, match=_told(label, "cannot be read as NIfTI", "copy it again")):
        check_label(label, image)


CONTENTS = {
    "text": b"hello",
    "page": b"<html>" * 200,
    "zeros": gzip.compress(bytes(400)),
    "xs": gzip.compress(b"x" * 900),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_of_something_else_is_told(image, content):
    image.write_bytes(content)
    with pytest.raises(InputError, match=_told(image, "cannot be read as NIfTI", "copy it again")):
        read_volume(image)


@pytest.mark.parametrize(("first", "value"), [(70, b"\x39\x30"), (40, b"\xff\xff"), (344, b"none")])
def test_a_rotten_header_is_told(image, first, value):
    header = bytearray(gzip.decompress(image.read_bytes()))
    header[first : first + len(value)] = value  # data type, number of axes, magic
    image.write_bytes(gzip.compress(header))
    with pytest.raises(InputError, match=_told(image, "cannot be read as NIfTI|dimensions", "copy it again|3D")):
        read_volume(image)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted(tmp_path, value):
    array = scan()
    array[1:3, 2, 4] = value
    path = write_nifti(tmp_path / "a_ceT1.nii.gz", array)
    with pytest.raises(InputError, match=_told(path, "has 2 NaN or infinite voxels", "replace them")):
        read_volume(path)


def test_nan_in_a_label_is_told(tmp_path, image):
    array = structures()
    array[0, 0, 0] = np.nan
    path = write_nifti(tmp_path / "a_Label.nii.gz", array)
    with pytest.raises(InputError, match=_told(path, "holds NaN or fractions", "store whole label numbers")):
        check_label(path, image)


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 6, 2), (4, 4, 4, 1, 3)])
def test_other_than_three_dimensions_are_told(tmp_path, shape):
    path = write_nifti(tmp_path / "a_ceT1.nii.gz", np.ones(shape))
    with pytest.raises(InputError, match=_told(path, f"has {len(shape)} dimensions", "give one 3D volume per file")):
        read_volume(path)


@pytest.mark.parametrize(("edge", "told"), [(820.0, "820 x 0.5 x 1.5 mm"), (0.001, "0.001 x 0.5 x 1.5 mm")])
def test_voxels_of_no_head_are_told(tmp_path, edge, told):
    path = write_nifti(tmp_path / "a_ceT1.nii.gz", scan(), np.diag([-edge, -0.5, 1.5, 1.0]))
    with pytest.raises(InputError, match=f"has voxels of {told}; give it an affine in mm"):
        read_volume(path)


def test_complex_numbers_are_told(tmp_path):
    path = write_nifti(tmp_path / "a_ceT1.nii.gz", scan().astype(np.complex64))
    with pytest.raises(InputError, match="holds complex numbers; give the magnitude"):
        read_volume(path)


def test_one_file_of_a_series_is_told(tmp_path):
    write_series(tmp_path, scan(), [1.5 * k for k in range(6)])
    with pytest.raises(InputError, match=r"000\.dcm: is one DICOM file; give the folder of its series"):
        read_volume(tmp_path / "000.dcm")


@pytest.mark.parametrize("channels", ["RGB", "RGBA"])
def test_an_image_of_several_channels_is_told(tmp_path, channels):
    colours = np.zeros(SHAPE, dtype=[(channel, np.uint8) for channel in channels])
    path = write_nifti(tmp_path / "a_ceT1.nii.gz", colours)
    for check in (read_volume, read_grid):
        with pytest.raises(InputError, match=_told(path, f"has {len(channels)} channels", "one grey value per voxel")):
            check(path)


def test_a_label_of_another_size_is_told(tmp_path, image):
    path = write_nifti(tmp_path / "a_Label.nii.gz", structures()[:, :, :-1])
    with pytest.raises(InputError, match=_told(path, r"has shape \(12, 10, 5\), its image \(12, 10, 6\)", "resample")):
        check_label(path, image)


@pytest.mark.parametrize(("row", "column", "shift"), [(0, 3, 0.5), (2, 3, -1.5), (0, 0, 0.05), (0, 1, 0.04)])
def test_a_label_on_another_grid_is_told(tmp_path, image, row, column, shift):
    affine = LPS.copy()
    affine[row, column] += shift
    path = write_nifti(tmp_path / "a_Label.nii.gz", structures(), affine)
    with pytest.raises(InputError, match=_told(path, "mm beside its image", "resample it to the grid of its image")):
        check_label(path, image)


@pytest.mark.parametrize(
    ("values", "told"), [([3], "label 3"), ([0.5, -1], "fractions"), (range(9), "label 3, 4, 5, 6, 7, ...")]
)
def test_other_label_values_are_told(tmp_path, image, values, told):
    array = structures()
    array[0, : len(values), 0] = values
    path = write_nifti(tmp_path / "a_Label.nii.gz", array)
    with pytest.raises(InputError, match=_told(path, f"holds .*{told}", "use only|store whole")):
        check_label(path, image)


def test_a_good_series_passes_whatever_the_order_of_its_files(tmp_path):
    write_series(tmp_path / "series", scan(), [0.0, 1.5, 3.0, 4.5, 6.0, 7.5])
    (tmp_path / "series" / "000.dcm").rename(tmp_path / "series" / "last.dcm")
    (tmp_path / "series" / "notes.txt").write_text("no DICOM")
    assert read_volume(tmp_path / "series").files[0].name == "last.dcm"


def test_the_label_of_a_series_must_lie_on_the_grid_of_the_series(tmp_path):
    series = tmp_path / "series"
    write_series(series, scan(), [0.0, 1.5, 3.0])
    affine, shape = read_volume(series).affine, (12, 10, 3)
    check_label(write_nifti(tmp_path / "label.nii.gz", np.ones(shape), affine), series)
    bad = write_nifti(tmp_path / "bad.nii.gz", np.ones(shape) * 3, affine)
    with pytest.raises(InputError, match=_told(bad, "holds unknown label", "use only")):
        check_label(bad, series)
    moved = affine.copy()
    moved[2, 3] += 1.5
    elsewhere = write_nifti(tmp_path / "moved.nii.gz", np.ones(shape), moved)
    with pytest.raises(InputError, match=r"lies up to 1\.50 mm beside its image"):
        check_label(elsewhere, series)


def test_two_series_in_one_folder_are_told(tmp_path):
    for _ in range(2):
        write_series(tmp_path / "series", scan(), [0.0, 1.5, 3.0])
    with pytest.raises(InputError, match=_told(tmp_path / "series", "holds 2 DICOM series", "a folder of its own")):
        read_volume(tmp_path / "series")


def test_a_single_slice_is_told(tmp_path):
    write_series(tmp_path / "series", scan(), [0.0])
    with pytest.raises(InputError, match=_told(tmp_path / "series", "holds 1 DICOM slices", "one whole series")):
        read_volume(tmp_path / "series")


@pytest.mark.parametrize("positions", [[0.0, 1.5, 4.5, 6.0], [3.0, 1.5, 1.5, 0.0]])
def test_missing_and_doubled_slices_are_told(tmp_path, positions):
    write_series(tmp_path / "series", scan(), positions)
    with pytest.raises(InputError, match=_told(tmp_path / "series", "has slice steps from", "complete the series")):
        read_volume(tmp_path / "series")


def test_dicom_is_known_by_its_content_not_its_name(tmp_path, image):
    write_series(tmp_path / "series", scan(), [0.0])
    (tmp_path / "series" / "000.dcm").rename(tmp_path / "IM1")
    assert is_dicom(tmp_path / "IM1")
    assert not is_dicom(image)
    assert not is_dicom(tmp_path)


def test_an_output_folder_is_made_with_its_parents(tmp_path):
    path = check_output_dir(tmp_path / "a" / "b")
    assert path.is_dir()
    assert check_output_dir(path) == path


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_place_of_the_output_folder_is_told(tmp_path, below):
    (tmp_path / "out").write_text("a file")
    path = tmp_path / "out" / below
    with pytest.raises(InputError, match=_told(path, "cannot be made a folder", "choose another output folder")):
        check_output_dir(path)
    assert (tmp_path / "out").read_text() == "a file"


def test_a_folder_without_write_permission_is_told(tmp_path, monkeypatch):
    def refuse(**_):  # whoever runs the tests may be allowed everything
        raise PermissionError

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InputError, match=_told(tmp_path, "cannot be written to", "choose another output folder")):
        check_output_dir(tmp_path)


def _without(keyword, value=None):
    def change(files):
        for file in files:
            header = pydicom.dcmread(file)
            header.__delattr__(keyword) if value is None else setattr(header, keyword, value)
            header.save_as(file)

    return change


def _one_of_another(keyword):
    def change(files):
        _without(keyword, "one")(files[:2])
        _without(keyword, "other")(files[2:])

    return change


def _linked_to_nothing(files):
    files[-1].unlink()
    files[-1].symlink_to("gone")


def _cut_off(files):
    files[2].write_bytes(files[2].read_bytes()[:400])


def _no_pixels_in_one(files):
    _without("PixelData")(files[2:3])


def _moved_in_its_plane(files):
    header = pydicom.dcmread(files[2])
    x, y, z = header.ImagePositionPatient
    header.ImagePositionPatient = [x + 20, y, z]
    header.save_as(files[2])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_without("PixelSpacing", [1.4, -1.4]), r"has a PixelSpacing of \[1.4, -1.4\] mm"),
        (_moved_in_its_plane, "has slices up to 20.0 mm beside the line of the others"),
        (_without("PixelSpacing"), "has 0 numbers as PixelSpacing, not 2"),
        (_without("ImagePositionPatient", ""), "has 0 numbers as ImagePositionPatient, not 3"),
        (_without("RescaleSlope", "0"), "has a RescaleSlope of 0"),
        (_one_of_another("PatientID"), "holds slices of 2 patients"),
        (_without("SeriesInstanceUID"), "says of no series"),
        (_without("PhotometricInterpretation", "MONOCHROME1"), "has pixels in MONOCHROME1"),
        (_linked_to_nothing, "is called like the slices beside it"),
        (_cut_off, "says of no series"),
        (_no_pixels_in_one, "has no pixels that can be read"),
    ],
)
def test_a_damaged_series_is_told_in_one_line_not_by_pydicom(tmp_path, damage, problem):
    write_series(tmp_path / "series", np.rint(scan()), [1.5 * k for k in range(6)])
    damage(sorted((tmp_path / "series").iterdir()))
    with pytest.raises(InputError, match=rf"series[^\n]*: {problem}[^\n]*; [^\n]*$"):
        read_volume(tmp_path / "series")


def _header(path, offset, value):
    """The file with bytes of its header changed."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[offset : offset + len(value)] = value
    path.write_bytes(gzip.compress(bytes(content)))
    return path


def test_a_header_that_promises_more_than_its_file_holds_is_told_before_anything_is_read(image):
    _header(image, 40, struct.pack("<4h", 3, 32000, 32000, 32000))
    with pytest.raises(InputError, match=_told(image, "promises .* voxels, more than its file can hold", "copy it")):
        read_grid(image)


@pytest.mark.parametrize(
    ("offset", "value", "told", "remedy"),
    [
        (76 + 4, struct.pack("<f", np.nan), "cannot be read as NIfTI|pixdim", "copy it again|mend its header"),
        (76 + 4, struct.pack("<f", -0.5), r"voxel sizes \(pixdim\) of -0\.5 x 0\.5 x 1\.5 mm", "mend its header"),
        (76 + 12, struct.pack("<f", 3), r"1\.5 mm by its affine and 0\.5 x 0\.5 x 3 mm by pixdim", "mend its header"),
        (76 + 4, bytes(12), r"1\.5 mm by its affine and 0 x 0 x 0 mm by pixdim", "mend its header"),
        (123, b"\x01", "has a header in meter", "store it in mm"),
        (123, b"\x03", "has a header in micron", "store it in mm"),
        (123, b"\x07", "has a header in an unknown unit", "store it in mm"),
    ],
)
def test_a_header_by_which_programs_would_put_a_scan_elsewhere_is_told(image, offset, value, told, remedy):
    _header(image, offset, value)
    with pytest.raises(InputError, match=_told(image, told, remedy)):
        read_volume(image)


def test_a_quaternion_that_is_no_rotation_is_told_although_the_affine_is_another(image):
    _header(image, 252, struct.pack("<h", 1))
    _header(image, 256, struct.pack("<3f", 0.9, 0.9, 0.9))
    with pytest.raises(InputError, match=_told(image, "cannot be read as NIfTI", "copy it again")):
        read_volume(image)


@pytest.mark.parametrize("offset", [np.inf, np.nan])
def test_an_offset_that_is_no_number_is_told(image, offset):
    _header(image, 108, struct.pack("<f", offset))
    with pytest.raises(InputError, match=_told(image, "cannot be read as NIfTI", "copy it again")):
        read_volume(image)


@pytest.mark.parametrize("shape", [(0, 10, 6), (1, 1, 1)])
def test_a_volume_without_voxels_is_told(image, shape):
    _header(image, 40, struct.pack("<4h", 3, *shape))
    with pytest.raises(InputError, match=_told(image, r"has \d voxels", "give a volume")):
        read_grid(image)


@pytest.mark.parametrize(
    ("affine", "told"),
    [
        (np.diag([-50.0, -0.5, 1.5, 1.0]), r"spans 600 x 5 x 9 mm|has voxels of"),
        (np.diag([-49.0, -49.0, 49.0, 1.0]) + np.eye(4, k=3), r"has voxels|spans"),
        ([[1, 0, 0, np.nan], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "has an affine with NaN"),
        ([[1, 0, 0, 0], [0, 1, 0, -2e5], [0, 0, 1, 0], [0, 0, 0, 1]], r"lies 2e\+05 mm away from the origin"),
        ([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], r"the cosine of two is 0\.71"),
        ([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], r"the cosine of two is 1\.00"),
    ],
)
def test_an_affine_that_is_no_place_of_a_head_is_told(tmp_path, affine, told):
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", np.zeros((13, 13, 13)), np.eye(4))
    _header(path, 254, struct.pack("<h", 1))
    _header(path, 280, np.asarray(affine, np.float32)[:3].tobytes())
    with pytest.raises(InputError, match=_told(path, told, "give it an affine in mm|resample it")):
        read_grid(path)


def test_a_grid_that_is_sheared_a_little_is_read(tmp_path):
    sheared = LPS.copy()
    sheared[0, 2] = 0.05
    found = read_volume(write_nifti(tmp_path / "a_hrT2.nii.gz", scan(), sheared))
    np.testing.assert_array_equal(found.voxels, scan())
    np.testing.assert_allclose(found.affine, sheared)


@pytest.mark.parametrize("value", [0, 7, -1.5])
def test_a_scan_that_shows_nothing_is_told(tmp_path, value):
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", np.full(SHAPE, value, np.float32))
    with pytest.raises(InputError, match=_told(path, f"shows nothing: all its voxels are {value:g}", "export or copy")):
        read_volume(path)


def test_a_scan_without_anything_above_0_is_told(tmp_path):
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", -scan() - 1)
    with pytest.raises(InputError, match=_told(path, "shows nothing above 0: its voxels are from", "export it again")):
        read_volume(path)


@pytest.mark.parametrize("factor", [1e300, 1e14, 1e-12])
def test_levels_of_which_single_precision_holds_no_square_are_told(tmp_path, factor):
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", scan().astype(np.float64) * factor)
    with pytest.raises(InputError, match=_told(path, "has voxels from", "scale it to the usual hundreds")):
        read_volume(path)


@pytest.mark.parametrize("value", [3e38, -1e30])
def test_a_voxel_beside_which_all_others_vanish_is_told(tmp_path, value):
    array = scan()
    array[0, 0, 0] = value
    path = write_nifti(tmp_path / "a_hrT2.nii.gz", array)
    with pytest.raises(InputError, match=_told(path, "has voxels from .* nearly all", "replace those outside")):
        read_volume(path)


def test_a_bright_vessel_on_a_black_ground_is_no_outlier(tmp_path):
    array = np.zeros((40, 40, 10), np.float32)
    array[20, 20], array[3, 4, 5] = 500, 4000
    assert read_volume(write_nifti(tmp_path / "a_hrT2.nii.gz", array)).voxels.max() == 4000


@pytest.mark.parametrize("name", ["a_hrT2.nii", "a_hrT2.NII.GZ", "a.1.2_hrT2.nii.gz"])
def test_endings_in_any_case_and_dots_in_names_are_read(tmp_path, name):
    write_nifti(tmp_path / "x.nii.gz" if name.lower().endswith("gz") else tmp_path / "x.nii", scan())
    next(tmp_path.iterdir()).rename(tmp_path / name)
    np.testing.assert_array_equal(read_volume(tmp_path / name).voxels, scan())


@pytest.mark.parametrize("member", ["voxels", "checksum"])
def test_a_byte_that_changed_since_it_was_compressed_is_told(image, member):
    content = bytearray(gzip.compress(gzip.decompress(image.read_bytes()), compresslevel=0))
    content[len(content) // 2 if member == "voxels" else -8] ^= 1
    image.write_bytes(content)
    read_grid(image)
    with pytest.raises(InputError, match=_told(image, r"cannot be read as NIfTI \(CRC check failed", "copy it again")):
        read_volume(image)


def test_voxels_of_a_file_without_compression_are_read(tmp_path):
    np.testing.assert_array_equal(read_volume(write_nifti(tmp_path / "a_ceT1.nii", scan())).voxels, scan())


@pytest.mark.parametrize("value", [1e300, -1e300, 1e12])
def test_a_label_that_no_whole_number_holds_is_told_as_it_is(tmp_path, image, value):
    label = write_nifti(tmp_path / "a_Label.nii.gz", np.where(structures() == 1, value, 0.0))
    with pytest.raises(InputError, match=_told(label, re.escape(f"holds unknown label {value:g}"), "use only")):
        check_label(label, image)
