import nibabel as nib
import numpy as np
import pytest
from small_head import SPACING, patient, stored_as

from tanq_monai.report.axial import EARS_MM, Volume, Window, ears, grey_limits, largest_slices, places, turned_to_lps
from tanq_monai.structures import Structures


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL", "ILA"])
def test_volume_is_turned_to_lps_whatever_its_storage_order(codes):
    scan, _ = patient()
    turned = turned_to_lps(stored_as(scan, codes))
    np.testing.assert_array_equal(turned.values, scan.get_fdata())
    np.testing.assert_allclose(turned.spacing, SPACING)


def test_x_grows_to_the_patients_left_and_y_to_the_back_after_turning_an_oblique_scan():
    angle = 0.3
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    voxels = np.stack(np.meshgrid(*map(np.arange, (6, 7, 5)), indexing="ij"), axis=-1)
    world = voxels @ affine[:3, :3].T
    for axis, sign in ((0, -1), (1, -1), (2, 1)):  # world is RAS
        values = turned_to_lps(nib.Nifti1Image(world[..., axis], affine)).values
        assert (sign * np.diff(values, axis=axis) > 0).all()


def test_largest_slice_of_each_structure_is_found_and_named_once():
    labels = turned_to_lps(patient()[1])
    assert largest_slices(labels) == {"VS": 2, "cochlea": 5}
    labels.values[..., 5] = 0
    labels.values[:3, :3, 2] = 2
    assert largest_slices(labels) == {"VS": 2}


def test_scan_without_structures_shows_its_middle():
    labels = turned_to_lps(patient(with_structures=False)[1])
    assert largest_slices(labels) == {"": 4}
    assert ears(labels).centre == (60.0, 62.5)
    assert [(place.name, place.z) for place in places(labels)] == [("no structure", 4)]


def test_both_cochleae_are_two_places_with_centres_in_mm():
    found = {place.name: place for place in places(turned_to_lps(patient()[1]))}
    assert list(found) == ["VS", "right cochlea", "left cochlea"]
    assert (found["right cochlea"].z, found["left cochlea"].z) == (6, 5)
    assert found["right cochlea"].centre == pytest.approx((12.5 * 2, 19 * 2.5))
    assert found["left cochlea"].centre == pytest.approx((47.5 * 2, 19 * 2.5))


def test_one_cochlea_alone_is_one_place_whose_side_the_vs_tells():
    _, label = patient()
    values = np.array(label.dataobj)
    values[46:49] = 0
    found = places(turned_to_lps(nib.Nifti1Image(values, label.affine)))
    assert [place.name for place in found] == ["VS", "right cochlea"]


def test_window_round_the_ears_is_centred_on_the_structures():
    assert ears(turned_to_lps(patient()[1])).centre == pytest.approx(((11 + 49) / 2 * 2, (18 + 27) / 2 * 2.5))


def test_grey_limits_of_a_window_ignore_what_lies_outside_it():
    scan = turned_to_lps(patient()[0])
    scan.values[:] = 10.0
    scan.values[20:30, 20:30, 3] = np.arange(100).reshape(10, 10)
    low, high = grey_limits(scan, 3, Window((50.0, 62.5), (20.0, 25.0)))
    assert (low, high) == pytest.approx(np.percentile(np.arange(100), [1, 99.5]))


def test_window_round_structures_with_a_stray_voxel_lies_where_most_of_them_are():
    labels = Volume(np.zeros((200, 200, 3), dtype=np.uint8), np.ones(3))
    labels.values[20:30, 90:100, 1] = 1
    labels.values[90:94, 95:97, 1] = 2
    labels.values[199, 0, 2] = 1
    (x, y), size = ears(labels)
    assert size == EARS_MM
    assert x - size[0] / 2 <= 20 and 94 <= x + size[0] / 2 < 199
    assert 0 < y - size[1] / 2 <= 90 and y + size[1] / 2 >= 100


def test_structures_of_another_configuration_have_their_own_places():
    labels = turned_to_lps(patient()[1])
    labels.values[18:22, 20:27, 2:6][labels.values[18:22, 20:27, 2:6] == 1] = 3
    names = Structures({"VS intrameatal": 3, "VS extrameatal": 1, "cochlea": 2})
    assert [place.name for place in places(labels, names)] == [*list(names)[:2], "right cochlea", "left cochlea"]
    assert largest_slices(labels, names) == {"VS intrameatal": 2, "cochlea": 5}
