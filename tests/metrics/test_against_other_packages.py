"""Dice and ASSD beside MedPy and SimpleITK, on masks as ears have them."""

import numpy as np
import pytest
import SimpleITK as sitk
from medpy.metric import binary
from scipy import ndimage

from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.surface_distance import average_surface_distance

SPACING = (0.41, 0.55, 1.5)


def _blob(generator, centre, radius):
    """A lump with a rough surface, and a loose part at the other end of the volume."""
    axes = np.ogrid[:40, :36, :18]
    distance = sum(((axis - middle) / radius) ** 2 for axis, middle in zip(axes, centre, strict=True)) ** 0.5
    mask = distance + ndimage.gaussian_filter(generator.standard_normal((40, 36, 18)), 1.5) < 1
    mask[-3:, -2:, 0:2] = True
    return mask


@pytest.fixture(params=range(3))
def pair(request):
    generator = np.random.default_rng(request.param)
    prediction, truth = _blob(generator, (16, 15, 8), 7), _blob(generator, (18, 15, 9), 6)
    truth[-3:, -2:, 0:2] = False
    return np.asfortranarray(prediction), truth


def test_dice_is_medpys_and_simpleitks(pair):
    prediction, truth = pair
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (truth, prediction)))
    assert dice(prediction, truth) == pytest.approx(binary.dc(prediction, truth), abs=1e-12)
    assert dice(prediction, truth) == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)


def test_pooled_distance_is_medpys_assd_and_the_directed_one_the_mean_of_its_asd(pair):
    prediction, truth = pair
    directed = [binary.asd(*masks, voxelspacing=SPACING) for masks in ((prediction, truth), (truth, prediction))]
    pooled = binary.assd(prediction, truth, voxelspacing=SPACING)
    assert average_surface_distance(prediction, truth, spacing=SPACING) == pytest.approx(np.mean(directed), abs=1e-9)
    ours = average_surface_distance(prediction, truth, spacing=SPACING, definition="pooled")
    assert ours == pytest.approx(pooled, abs=1e-9)
    assert abs(pooled - np.mean(directed)) > 1e-3


def test_both_distances_are_those_of_simpleitks_distance_maps(pair):
    # SimpleITK sees no surface where the volume ends.
    images = [sitk.GetImageFromArray(np.pad(mask, 1).T.astype(np.uint8)) for mask in pair]
    surfaces = [sitk.GetArrayFromImage(sitk.LabelContour(image, fullyConnected=False)) > 0 for image in images]
    maps = [_distance_map(surface) for surface in surfaces]
    there, back = maps[1][surfaces[0]], maps[0][surfaces[1]]
    directed = average_surface_distance(*pair, spacing=SPACING)
    pooled = average_surface_distance(*pair, spacing=SPACING, definition="pooled")
    # SimpleITK stores distances as float32.
    assert directed == pytest.approx((there.mean(dtype=float) + back.mean(dtype=float)) / 2, abs=1e-5)
    assert pooled == pytest.approx(np.concatenate([there, back]).mean(dtype=float), abs=1e-5)


def _distance_map(surface):
    image = sitk.GetImageFromArray(surface.astype(np.uint8))
    image.SetSpacing(SPACING)
    outside = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.maximum(sitk.GetArrayFromImage(outside), 0)
