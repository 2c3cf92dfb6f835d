"""The way into the network's space and back."""

import itertools

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from tanq_monai.scans.grid import in_scanner
from tanq_monai.segmentation.plan.resampling import resample
from tanq_monai.segmentation.plan.space import PlanSpace, z_score
from tanq_monai.segmentation.plan.transforms import FromPlanSpaced, ToPlanSpaced

LPS = np.diag([-0.8, -0.9, 1.5, 1.0])
SAME_SPACING = PlanSpace(spacing=(1.5, 0.9, 0.8))


def scan(array, affine=LPS):
    meta = {"original_affine": affine, "filename_or_obj": "case_hrT2.nii.gz"}
    return MetaTensor(torch.as_tensor(array, dtype=torch.float32)[None], affine=torch.as_tensor(affine), meta=meta)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, shape)


def there_and_back(label, space, affine=LPS):
    """One-hot logits of the label, resampled to plan space, brought back."""
    image = ToPlanSpaced("image", space)({"image": scan(noise(*label.shape), affine)})["image"]
    one_hot = np.stack([label == k for k in range(3)]).astype(np.float32).transpose(space.array_axes)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[[axis - 1 for axis in space.array_axes[1:]]]
    logits = resample(
        torch.from_numpy(one_hot), image.shape[1:], spacing, space.target_spacing(tuple(spacing)), space.logits
    )
    return FromPlanSpaced("pred", space)({"image": image, "pred": logits})["pred"]


def test_axes_are_reversed_and_values_z_scored():
    array = noise(5, 6, 7)
    image = ToPlanSpaced("image", SAME_SPACING)({"image": scan(array)})["image"]
    expected = (array - array.mean()) / array.std()
    np.testing.assert_allclose(image[0], expected.transpose(2, 1, 0), atol=1e-5)


def test_zero_borders_are_cut_off_and_come_back_as_background():
    array = np.zeros((9, 9, 6))
    array[2:7, 3:8, 1:5] = noise(5, 5, 4)
    image = ToPlanSpaced("image", SAME_SPACING)({"image": scan(array)})["image"]
    assert image.shape == (1, 4, 5, 5)
    logits = torch.zeros(3, 4, 5, 5)
    logits[2] = 1
    label = FromPlanSpaced("pred", SAME_SPACING)({"image": image, "pred": logits})["pred"]
    expected = np.zeros((9, 9, 6))
    expected[2:7, 3:8, 1:5] = 2
    assert np.array_equal(label[0], expected)


def test_an_empty_scan_gives_an_empty_label():
    image = ToPlanSpaced("image", SAME_SPACING)({"image": scan(np.zeros((4, 5, 6)))})["image"]
    assert torch.isfinite(image).all()
    logits = torch.zeros(3, *image.shape[1:])
    assert FromPlanSpaced("pred", SAME_SPACING)({"image": image, "pred": logits})["pred"].shape == (
        1,
        4,
        5,
        6,
    )


ORIENTATIONS = [
    "".join(codes) for axes in itertools.permutations(("LR", "PA", "SI")) for codes in itertools.product(*axes)
]


@pytest.mark.parametrize("stored", ORIENTATIONS)
def test_a_scan_is_the_same_to_the_network_however_it_is_stored(stored):
    space = PlanSpace(spacing=(1.5, 0.6, 0.6))
    grid = in_scanner((5, 6, 7), LPS)
    array = noise(5, 6, 7)
    array[0] = 0  # a border that is cut off at one side
    turned, other = grid.turned(array, stored)
    assert other.orientation == stored
    axial = ToPlanSpaced("image", space)({"image": scan(array)})["image"]
    image = ToPlanSpaced("image", space)({"image": scan(turned.copy(), other.affine)})["image"]
    torch.testing.assert_close(image.as_tensor(), axial.as_tensor())
    np.testing.assert_allclose(image.affine, axial.affine, atol=1e-9)  # every voxel of it lies where it lay
    logits = torch.from_numpy(np.random.default_rng(2).normal(size=(3, *image.shape[1:]))).float()
    expected = FromPlanSpaced("pred", space)({"image": axial, "pred": logits})["pred"]
    found = FromPlanSpaced("pred", space)({"image": image, "pred": logits})["pred"]
    np.testing.assert_array_equal(found[0], grid.turned(np.asarray(expected[0]), stored)[0])
    np.testing.assert_allclose(found.affine, other.affine)


@pytest.mark.parametrize("transpose", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_label_survives_any_order_of_axes(transpose):
    label = np.random.default_rng(3).integers(0, 3, (5, 6, 7))
    spacing = tuple((1.5, 0.9, 0.8)[axis] for axis in transpose)
    back = there_and_back(label, PlanSpace(spacing=spacing, transpose=transpose))
    assert back.dtype == torch.uint8
    assert np.array_equal(back[0], label)


def test_a_block_survives_resampling_to_a_finer_oblique_grid():
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    ) @ np.diag([-1.0, -1.0, 2.0])
    label = np.zeros((20, 20, 12), dtype=int)
    label[5:14, 6:15, 3:9] = 1
    back = there_and_back(label, PlanSpace(spacing=(1.0, 0.7, 0.7)), affine)
    found = np.asarray(back[0])
    assert 2 * (found & label).sum() / (found.sum() + label.sum()) > 0.95
    centre, expected = (np.argwhere(x == 1).mean(axis=0) for x in (found, label))
    np.testing.assert_allclose(centre, expected, atol=0.1)
    np.testing.assert_allclose(back.affine, affine)


def test_the_affine_of_plan_space_finds_a_bright_voxel_at_its_place_in_mm():
    affine = LPS.copy()
    affine[:3, 3] = [10, -20, 30]
    array = np.zeros((15, 15, 15))
    array[3:, 3:, 3:] = 1e-3
    array[8, 10, 6] = 1
    image = ToPlanSpaced("image", PlanSpace(spacing=(0.5, 0.3, 0.8 / 3)))({"image": scan(array, affine)})["image"]
    peak = np.unravel_index(int(image[0].argmax()), image.shape[1:])
    found = np.asarray(image.affine) @ [*peak, 1]
    np.testing.assert_allclose(found[:3], (affine @ [8, 10, 6, 1])[:3], atol=1e-6)


def test_slices_keep_their_distance():
    assert PlanSpace(spacing=(0.8, 0.8)).target_spacing((2.0, 1.0, 1.0)) == (2.0, 0.8, 0.8)
    assert PlanSpace(spacing=(1.0, 0.8, 0.8)).target_spacing((2.0, 1.0, 1.0)) == (1.0, 0.8, 0.8)


def test_masked_z_score_leaves_the_outside_alone():
    image = np.array([[[0.0, 2.0, 4.0, 6.0]]], dtype=np.float32)
    inside = np.array([[[False, True, True, True]]])
    np.testing.assert_allclose(z_score(image, inside)[0, 0], [0, -(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)
