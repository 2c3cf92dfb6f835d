import itertools

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance
from scipy import ndimage
from shared_data import shared_data_folder

from tanq_monai.metrics.surface_distance import average_surface_distance, surface_indices, voxel_spacing

SPACING = (0.41, 0.8, 1.5)


def _blobs(seed, shape=(9, 8, 7)):
    """Two overlapping random masks; voxels at the edge of the volume included."""
    generator = np.random.default_rng(seed)
    common = generator.random(shape)
    return common + 0.4 * generator.random(shape) > 1.0, common + 0.4 * generator.random(shape) > 0.9


def _surface_voxels(mask):
    """Voxels of the mask with at least one of six neighbours outside it, one by one."""
    found = []
    for voxel in map(tuple, np.argwhere(mask)):
        for axis, step in itertools.product(range(3), (-1, 1)):
            other = list(voxel)
            other[axis] += step
            if not 0 <= other[axis] < mask.shape[axis] or not mask[tuple(other)]:
                found.append(voxel)
                break
    return found


def _directed(from_mask, to_mask, affine):
    """Distance of every surface voxel to the nearest of the other mask, all pairs, in world coordinates."""
    ends = [affine[:3, :3] @ voxel for voxel in _surface_voxels(to_mask)]
    return [
        min(float(np.sqrt(((affine[:3, :3] @ start - end) ** 2).sum())) for end in ends)
        for start in _surface_voxels(from_mask)
    ]


def _rotation(axis, angle):
    """Rodrigues' formula."""
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.mark.parametrize("order", ["C", "F"])
def test_surface_is_the_voxels_with_a_face_neighbour_outside(order):
    mask, _ = _blobs(0)
    found = surface_indices(np.asarray(mask, order=order))
    assert sorted(map(tuple, found.tolist())) == sorted(_surface_voxels(mask))


def test_surface_is_the_mask_minus_its_erosion_also_in_a_view_that_lies_in_memory_with_gaps():
    mask = _blobs(1, (20, 18, 14))[0][::2, 1:, ::-1]
    expected = mask & ~ndimage.binary_erosion(mask)
    assert sorted(map(tuple, surface_indices(mask).tolist())) == list(map(tuple, np.argwhere(expected).tolist()))


def test_surface_of_a_cube_of_27_is_all_but_its_centre():
    cube = np.zeros((5, 5, 5), dtype=bool)
    cube[1:4, 1:4, 1:4] = True
    found = surface_indices(cube).tolist()
    assert len(found) == 26
    assert [2, 2, 2] not in found


def test_a_mask_that_fills_its_volume_has_its_surface_where_the_volume_ends():
    assert len(surface_indices(np.ones((5, 4, 3), dtype=bool))) == 60 - 3 * 2 * 1


@pytest.mark.parametrize("seed", range(4))
def test_both_definitions_equal_all_pairwise_distances_with_anisotropic_voxels(seed):
    prediction, truth = _blobs(seed)
    affine = np.diag([*SPACING, 1.0])
    there, back = _directed(prediction, truth, affine), _directed(truth, prediction, affine)
    directed = average_surface_distance(prediction, truth, spacing=SPACING)
    pooled = average_surface_distance(prediction, truth, spacing=SPACING, definition="pooled")
    assert directed == pytest.approx((np.mean(there) + np.mean(back)) / 2, abs=1e-12)
    assert pooled == pytest.approx(np.mean(there + back), abs=1e-12)
    assert directed != pytest.approx(pooled, abs=1e-4)


def test_oblique_affine_gives_the_distances_of_world_coordinates():
    prediction, truth = _blobs(5)
    affine = np.eye(4)
    affine[:3, :3] = _rotation([1, 2, 3], 0.6) @ np.diag([-SPACING[0], -SPACING[1], SPACING[2]])
    there, back = _directed(prediction, truth, affine), _directed(truth, prediction, affine)
    assd = average_surface_distance(prediction, truth, spacing=voxel_spacing(affine))
    assert assd == pytest.approx((np.mean(there) + np.mean(back)) / 2, abs=1e-12)


def test_voxel_spacing_is_what_an_oblique_affine_was_made_of():
    affine = np.eye(4)
    affine[:3, :3] = _rotation([0, 1, 1], 1.1) @ np.diag([-0.5, 0.7, 5.5])
    affine[:3, 3] = (10, -20, 30)
    np.testing.assert_allclose(voxel_spacing(affine), [0.5, 0.7, 5.5], atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_pooled_definition_equals_monais_symmetric_surface_distance():
    prediction, truth = _blobs(6)
    # MONAI drops surface voxels at the edge of the volume.
    prediction, truth = np.pad(prediction, 1), np.pad(truth, 1)
    one_hot = [torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (prediction, truth)]
    monai = compute_average_surface_distance(*one_hot, symmetric=True, spacing=SPACING)
    pooled = average_surface_distance(prediction, truth, spacing=SPACING, definition="pooled")
    assert pooled == pytest.approx(float(monai), abs=1e-5)


@pytest.mark.parametrize(("axis", "mm"), [(0, 0.82), (1, 1.6), (2, 3.0)])
def test_two_parallel_plates_two_voxels_apart_are_two_spacings_apart(axis, mm):
    plate = np.zeros((9, 9, 9), dtype=bool)
    plate[tuple(3 if a == axis else slice(None) for a in range(3))] = True
    assert average_surface_distance(np.roll(plate, 2, axis), plate, spacing=SPACING) == pytest.approx(mm)


def test_two_single_voxels_are_their_euclidean_distance_apart():
    one, other = np.zeros((2, 9, 9, 9), dtype=bool)
    one[1, 1, 1] = other[4, 5, 7] = True
    expected = np.sqrt((3 * 0.41) ** 2 + (4 * 0.8) ** 2 + (6 * 1.5) ** 2)
    assert average_surface_distance(one, other, spacing=SPACING) == pytest.approx(expected)


def test_a_spurious_voxel_weighs_by_its_share_of_the_two_surfaces():
    truth = np.zeros((30, 3, 3), dtype=bool)
    truth[0:4, 1, 1] = True
    prediction = truth.copy()
    prediction[23, 1, 1] = True  # 20 voxels from the end: 1 of 5 predicted and 1 of 9 pooled surface voxels
    assert average_surface_distance(prediction, truth, spacing=(1, 1, 1)) == pytest.approx(20 / 5 / 2)
    pooled = average_surface_distance(prediction, truth, spacing=(1, 1, 1), definition="pooled")
    assert pooled == pytest.approx(20 / 9)


@pytest.mark.parametrize("definition", ["directed", "pooled"])
def test_distance_is_symmetric_and_grows_with_the_voxels_and_ignores_the_background(definition):
    prediction, truth = _blobs(7)
    assd = average_surface_distance(prediction, truth, spacing=SPACING, definition=definition)
    doubled = np.multiply(SPACING, 2)

    def again(p, t, spacing=SPACING):
        return pytest.approx(average_surface_distance(p, t, spacing=spacing, definition=definition), rel=1e-12)

    assert assd == again(truth, prediction)
    assert 2 * assd == again(prediction, truth, doubled)
    assert assd == again(np.pad(prediction, 4), np.pad(truth, 4))
    assert assd == again(prediction[::-1].transpose(2, 0, 1), truth[::-1].transpose(2, 0, 1), np.roll(SPACING, 1))


def test_a_mask_is_at_distance_0_from_itself():
    mask, _ = _blobs(8)
    assert average_surface_distance(mask, mask, spacing=SPACING) == 0.0


def test_missed_structure_counts_350_mm_and_absent_structure_is_not_applicable():
    empty, full = np.zeros((3, 3, 3), dtype=bool), np.ones((3, 3, 3), dtype=bool)
    assert average_surface_distance(empty, full, spacing=SPACING) == 350.0
    assert np.isnan(average_surface_distance(full, empty, spacing=SPACING))
    assert np.isnan(average_surface_distance(empty, empty, spacing=SPACING))


def test_unknown_definition_and_different_shapes_are_errors():
    mask = np.ones((3, 3, 3), dtype=bool)
    with pytest.raises(ValueError, match="definition"):
        average_surface_distance(mask, mask, spacing=SPACING, definition="hausdorff")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one shape"):
        average_surface_distance(mask, mask[1:], spacing=SPACING)


@pytest.mark.parametrize("case", [1, 2])
@pytest.mark.parametrize("structure", [1, 2])
def test_a_real_label_moved_by_one_slice_scores_as_all_pairs_in_world_coordinates(case, structure):
    image = nib.load(shared_data_folder("crossmoda_labels") / f"crossmoda_{case}_Label.nii.gz")
    truth = np.asanyarray(image.dataobj) == structure
    prediction = np.roll(truth, 1, axis=2)
    points = [surface_indices(mask) @ image.affine[:3, :3].T for mask in (prediction, truth)]
    to_truth = [np.linalg.norm(points[1] - point, axis=1).min() for point in points[0]]
    to_prediction = [np.linalg.norm(points[0] - point, axis=1).min() for point in points[1]]
    assd = average_surface_distance(prediction, truth, spacing=voxel_spacing(image.affine))
    assert assd == pytest.approx((np.mean(to_truth) + np.mean(to_prediction)) / 2, abs=1e-9)
    assert 0.1 < assd < 1.5
