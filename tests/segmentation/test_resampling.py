"""Resampling against nnU-Net's own function."""

import numpy as np
import pytest
import torch
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

from tanq_monai.deploy.runtime.resampling import resample as resample_array
from tanq_monai.segmentation.plan.resampling import resample
from tanq_monai.segmentation.plan.splines import Interpolation, thick_axis

THIN, THICK_Z, THICK_X = (1.0, 1.0, 1.2), (3.5, 1.0, 1.1), (0.5, 0.6, 2.0)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("spacing", [THIN, THICK_Z, THICK_X])
@pytest.mark.parametrize("new_spacing", [THIN, THICK_Z])
def test_resampling_equals_nnunet(spacing, new_spacing, order):
    volume = np.random.default_rng(0).normal(size=(2, 7, 13, 10)).astype(np.float32)
    shape = [round(n * old / new) for n, old, new in zip(volume.shape[1:], spacing, new_spacing, strict=True)]
    expected = resample_data_or_seg_to_shape(
        volume, shape, spacing, new_spacing, order=order, order_z=0, force_separate_z=None
    )
    result = resample(torch.from_numpy(volume), shape, spacing, new_spacing, Interpolation(order=order))
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_constant_volume_stays_constant():
    volume = torch.full((1, 4, 6, 5), 7.0)
    np.testing.assert_allclose(resample(volume, (6, 9, 4), THICK_Z, THIN, Interpolation()), 7.0, rtol=1e-6)


@pytest.mark.parametrize("by_array", [False, True])
def test_splines_go_no_further_than_the_values_they_go_through(by_array):
    """And of thick slices than those of the slice."""
    step = np.zeros((3, 12, 12), np.float32)
    step[:, 6:] = np.float32([1, 4, 1])[:, None, None]

    def resized(new_spacing, spacing):
        shape = [round(n * a / b) for n, a, b in zip(step.shape, spacing, new_spacing, strict=True)]
        if by_array:
            return resample_array(step, shape, spacing, new_spacing, Interpolation())
        return resample(torch.from_numpy(step)[None], shape, spacing, new_spacing, Interpolation())[0].numpy()

    whole = resized((1.0, 0.4, 0.4), (1.0, 1.0, 1.0))
    assert (whole.min(), whole.max()) == (0, 4)
    thick = resized((5.0, 0.4, 0.4), (5.0, 1.0, 1.0))
    assert thick.min(axis=(1, 2)).tolist() == [0, 0, 0]
    assert thick.max(axis=(1, 2)).tolist() == [1, 4, 1]
    assert (
        resample_data_or_seg_to_shape(step[None], (3, 30, 30), (5, 1, 1), (5, 0.4, 0.4), order=3, order_z=0).max() == 4
    )


def test_the_same_shape_gives_the_very_same_values():
    volume = torch.rand(1, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(resample(volume, (4, 5, 6), THIN, THIN, Interpolation()), volume)


def test_doubling_along_a_thick_axis_repeats_slices():
    volume = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    result = resample(volume, (6, 4, 4), (8.0, 1.0, 1.0), (4.0, 1.0, 1.0), Interpolation())
    np.testing.assert_allclose(result, volume.repeat_interleave(2, dim=1), atol=1e-6)


@pytest.mark.parametrize(
    ("spacing", "new_spacing", "axis"),
    [
        (THIN, THIN, None),
        (THICK_Z, THIN, 0),
        (THIN, THICK_Z, 0),
        (THICK_X, THIN, 2),
        ((3.0, 1.0, 1.0), THIN, None),
        ((0.2, 1.0, 1.0), THIN, None),
    ],
)
def test_an_axis_is_thick_above_three_times_the_finest_spacing_and_alone(spacing, new_spacing, axis):
    assert thick_axis(spacing, new_spacing) == axis


def test_separate_treatment_can_be_forbidden_and_forced():
    assert thick_axis(THICK_Z, THIN, separate_z=False) is None
    assert thick_axis((1.5, 1.0, 1.0), THIN, separate_z=True) == 0
