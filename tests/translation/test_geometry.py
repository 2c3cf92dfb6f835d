import itertools

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tanq_monai.translation.slice_grid import plan_slices

LPS = np.diag([-0.41, -0.41, 1.5, 1.0])
ORDERS = [
    np.array(list(zip(order, flips, strict=True)))
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def _head(shape=(16, 18, 5), seed=0):
    """All of it is head: no voxel is dark."""
    return np.random.default_rng(seed).uniform(50, 100, shape).astype(np.float32)


def _labels(shape=(16, 18, 5)):
    """float64, as crossMoDA stores them."""
    labels = np.zeros(shape)
    labels[3:9, 4:9, 1:3] = 1
    labels[11:14, 10:15, 2:4] = 2
    return labels


def _stored(volume, affine, orientation):
    """The same volume with its axes in another order and direction."""
    image = nib.Nifti1Image(volume, affine).as_reoriented(orientation)
    return np.asanyarray(image.dataobj), image.affine


@pytest.mark.parametrize("shape", [(16, 18, 5), (17, 18, 4), (16, 15, 3), (13, 11, 1)])
@pytest.mark.parametrize("size", [20, 21])
def test_slices_and_back_is_exact_where_pixels_are_voxels(shape, size):
    volume = _head(shape)
    grid = plan_slices(volume, LPS, size=size, pixel_mm=0.41)
    slices = grid.to_slices(volume)
    assert slices.shape == (shape[2], size, size)
    back = grid.to_volume(slices)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, volume, atol=2e-3)


@pytest.mark.parametrize("shape", [(16, 18, 5), (17, 15, 4)])
def test_label_slices_hold_every_voxel_once_where_pixels_are_voxels(shape):
    labels = _labels(shape)
    grid = plan_slices(_head(shape), LPS, size=20, pixel_mm=0.41)
    slices = grid.to_slices(labels, mode="nearest")
    for value in (1, 2):
        assert (slices == value).sum() == (labels == value).sum()


@pytest.mark.parametrize("orientation", ORDERS, ids=lambda o: "".join(f"{'-' if s < 0 else '+'}{a}" for a, s in o))
def test_the_order_in_which_a_file_stores_its_axes_does_not_matter(orientation):
    volume, labels = _head(), _labels()
    expected = plan_slices(volume, LPS, size=24, pixel_mm=0.3, label=labels, slab_mm=4.5)
    stored, affine = _stored(volume, LPS, orientation)
    stored_labels, _ = _stored(labels, LPS, orientation)
    grid = plan_slices(stored, affine, size=24, pixel_mm=0.3, label=stored_labels, slab_mm=4.5)
    np.testing.assert_array_equal(grid.to_slices(stored), expected.to_slices(volume))
    np.testing.assert_array_equal(grid.to_slices(stored_labels, "nearest"), expected.to_slices(labels, "nearest"))
    back = grid.to_volume(expected.to_slices(volume))
    assert back.shape == stored.shape
    np.testing.assert_array_equal(back, _stored(expected.to_volume(expected.to_slices(volume)), LPS, orientation)[0])


def test_rows_run_to_posterior_columns_to_the_left_and_slices_up():
    volume = np.ones((9, 11, 5))
    volume[1, 2, 4] = 100  # RAS affine: x runs to the right, y to anterior, z up
    slices = plan_slices(volume, np.diag([0.5, 0.5, 1.5, 1]), size=11, pixel_mm=0.5).to_slices(volume)
    z, y, x = np.unravel_index(slices.argmax(), slices.shape)
    assert (z, y, x) == (4, 10 - 2, 1 + 8 - 1)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (1, 2, 3)])
def test_oblique_scans_keep_their_own_axes_and_spacing(axis):
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross, angle = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]), np.deg2rad(20)
    affine = LPS.copy()
    affine[:3, :3] = (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross) @ LPS[:3, :3]
    affine[:3, 3] = (12, -30, 7)
    grid = plan_slices(_head(), affine, size=24, pixel_mm=0.3)
    np.testing.assert_allclose(grid.spacing, (0.41, 0.41, 1.5))
    expected = plan_slices(_head(), LPS, size=24, pixel_mm=0.3).to_slices(_head())
    np.testing.assert_allclose(grid.to_slices(_head()), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("pixel_mm", [0.3, 0.41, 0.7])
def test_slices_equal_linear_interpolation_in_mm(pixel_mm):
    volume, affine = _head(), np.diag([-0.41, -0.6, 1.5, 1])
    slices = plan_slices(volume, affine, size=30, pixel_mm=pixel_mm).to_slices(volume)
    offsets = (np.arange(30) - 14.5) * pixel_mm
    x = 7.5 + offsets / 0.41
    y = 8.5 + offsets / 0.6
    for k in range(volume.shape[2]):
        rows, columns = np.meshgrid(y, x, indexing="ij")
        expected = map_coordinates(volume[:, :, k].T, [rows, columns], order=1, mode="grid-constant", cval=0)
        np.testing.assert_allclose(slices[k], expected, atol=5e-3)


@pytest.mark.parametrize("pixel_mm", [0.2, 0.41, 0.5, 1.3])
def test_label_slices_hold_labels_only(pixel_mm):
    labels = _labels()
    slices = plan_slices(_head(), LPS, size=32, pixel_mm=pixel_mm).to_slices(labels, mode="nearest")
    assert set(np.unique(slices)) == {0.0, 1.0, 2.0}


def test_label_and_image_slices_lie_on_each_other():
    labels, volume = np.zeros((16, 18, 5)), np.full((16, 18, 5), 1.0)
    labels[4:10, 6:13, 1:4] = 1
    volume[labels > 0] = 100
    grid = plan_slices(volume, LPS, size=40, pixel_mm=0.2)
    inside = grid.to_slices(labels, mode="nearest") == 1
    image = grid.to_slices(volume)
    assert image[inside].min() >= 50 - 1
    assert image[~inside].max() <= 51


@pytest.mark.parametrize(
    ("occupied", "slab_mm", "expected"),
    [
        ((8, 10), 6.0, (7, 11)),  # middle 8.5
        ((8, 9), 4.5, (7, 10)),  # middle 8
        ((0, 1), 6.0, (0, 4)),  # at the edge: moved inside
        ((19, 20), 6.0, (16, 20)),
        ((8, 9), 0.1, (8, 9)),  # one slice at least
        ((8, 9), 500.0, (0, 20)),
        ((8, 9), None, (0, 20)),
        ((0, 0), 6.0, (8, 12)),  # no structures: the middle
    ],
)
def test_slab_is_centred_on_the_structures(occupied, slab_mm, expected):
    labels = np.zeros((6, 6, 20))
    labels[2:4, 2:4, occupied[0] : occupied[1]] = 2
    grid = plan_slices(_head((6, 6, 20)), LPS, size=8, pixel_mm=0.41, label=labels, slab_mm=slab_mm)
    assert grid.slab == expected
    assert len(grid.to_slices(labels)) == expected[1] - expected[0]


def test_without_label_the_slab_is_the_middle_of_the_scan():
    assert plan_slices(_head((6, 6, 20)), LPS, size=8, pixel_mm=0.41, slab_mm=6.0).slab == (8, 12)


def test_outside_the_slab_the_volume_is_zero():
    grid = plan_slices(_head((6, 6, 20)), LPS, size=8, pixel_mm=0.41, slab_mm=6.0)
    volume = grid.to_volume(np.ones((4, 8, 8)))
    np.testing.assert_array_equal(volume[:, :, 8:12], 1)
    assert volume[:, :, :8].max() == volume[:, :, 12:].max() == 0


def test_a_scan_smaller_than_the_slice_lies_in_its_middle():
    slices = plan_slices(_head((6, 8, 2)), LPS, size=20, pixel_mm=0.41).to_slices(_head((6, 8, 2)))
    rows, columns = (slices[0] > 1).nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 13, 7, 12)


def test_a_scan_larger_than_the_slice_is_zero_beyond_it():
    grid = plan_slices(_head(), LPS, size=8, pixel_mm=0.41)
    volume = grid.to_volume(np.ones((5, 8, 8)))
    np.testing.assert_array_equal(volume[4:12, 5:13], 1)
    assert (volume > 0.5).sum() == 8 * 8 * 5


def test_slices_are_centred_on_the_head_wherever_it_lies_in_the_field():
    centred, shifted = np.zeros((40, 40, 3)), np.zeros((40, 40, 3))
    head = _head((16, 20, 3))
    centred[12:28, 10:30], shifted[3:19, 17:37] = head, head
    grids = [plan_slices(v, LPS, size=24, pixel_mm=0.41) for v in (centred, shifted)]
    assert grids[1].center == (10.5, 26.5)
    np.testing.assert_allclose(grids[0].to_slices(centred), grids[1].to_slices(shifted), rtol=1e-4, atol=2e-3)


def test_a_dark_scan_is_centred_on_its_field():
    grid = plan_slices(np.zeros((6, 8, 2)), LPS, size=8, pixel_mm=0.41)
    assert grid.center == (2.5, 3.5)
    assert not grid.to_slices(np.zeros((6, 8, 2))).any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_any_number_type_becomes_float32(dtype):
    volume = _head().astype(dtype)
    grid = plan_slices(volume, LPS, size=20, pixel_mm=0.41)
    slices = grid.to_slices(volume)
    assert slices.dtype == np.float32
    np.testing.assert_allclose(grid.to_volume(slices), volume, atol=2e-3)
