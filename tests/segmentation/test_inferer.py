"""Sliding windows against nnU-Net's places and weights."""

import numpy as np
import pytest
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

from tanq_monai.errors import InputError
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.inference.windows import gaussian_weight, window_places


def volume(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("size", "window"), [(40, 16), (16, 16), (17, 16), (110, 64), (49, 12)])
@pytest.mark.parametrize("overlap", [0.5, 0.25])
def test_windows_start_where_those_of_nnunet_start(size, window, overlap):
    expected = compute_steps_for_sliding_window((size,), (window,), 1 - overlap)[0]
    assert [place[0].start for place in window_places((size,), (window,), overlap)] == expected


def test_weights_equal_those_of_nnunet():
    expected = compute_gaussian((16, 48, 40), value_scaling_factor=10, device=torch.device("cpu"))
    np.testing.assert_array_equal(gaussian_weight((16, 48, 40)), expected.float().numpy())


@pytest.mark.parametrize("window", [(8, 16, 16), (16, 16), (40, 40, 40)])
def test_a_pointwise_network_gives_its_own_output(window):
    image = volume(2, 1, 9, 21, 30)
    result = PlanInferer(window, sw_batch_size=3)(image, lambda x: torch.cat([x, 2 * x, -x], dim=1))
    torch.testing.assert_close(result, torch.cat([image, 2 * image, -image], dim=1))


def test_overlapping_windows_are_averaged_by_weight():
    image = volume(1, 1, 24)[:, :, None, :].expand(1, 1, 16, 24)[:, :, None]
    calls = iter([torch.full((1, 1, 16, 16), 1.0), torch.full((1, 1, 16, 16), 3.0)])
    result = PlanInferer((16, 16), sw_batch_size=1)(image, lambda _: next(calls))[0, 0, 0]
    weight = torch.from_numpy(gaussian_weight((16, 16)))
    overlap = (weight[:, 8:] + 3 * weight[:, :8]) / (weight[:, 8:] + weight[:, :8])
    torch.testing.assert_close(result, torch.cat([torch.ones(16, 8), overlap, torch.full((16, 8), 3.0)], dim=1))


def test_slices_do_not_see_each_other():
    image = volume(1, 1, 4, 16, 16)
    other = image.clone()
    other[:, :, 2] += 1
    network = torch.nn.AvgPool2d(3, 1, 1)
    first, second = (PlanInferer((16, 16))(x, network) for x in (image, other))
    assert torch.equal(first[:, :, [0, 1, 3]], second[:, :, [0, 1, 3]])
    assert not torch.equal(first[:, :, 2], second[:, :, 2])


def test_a_small_volume_is_padded_evenly_with_zeros():
    seen = []

    def network(x):
        seen.append(x)
        return x

    PlanInferer((4, 8, 8))(torch.ones(1, 1, 3, 5, 8), network)
    expected = np.zeros((4, 8, 8))
    expected[0:3, 1:6] = 1
    assert np.array_equal(seen[0][0, 0], expected)


def test_mirroring_is_the_mean_over_all_ways_to_flip_the_window():
    image, ramp = volume(1, 1, 4, 8, 8), volume(4, 8, 8)

    def network(x):  # sees where in the window a voxel lies
        return x * ramp

    result = PlanInferer((4, 8, 8), mirror_axes=(0, 2))(image, network)
    ramps = [ramp, ramp.flip(0), ramp.flip(2), ramp.flip((0, 2))]
    torch.testing.assert_close(result, image * sum(ramps) / 4)


def test_a_mirrored_volume_has_the_mirrored_logits_whatever_the_network():
    image, ramp = volume(1, 1, 4, 9, 27), volume(9, 9)  # odd: the weights of even windows are not symmetric
    inferer = PlanInferer((9, 9), mirror_axes=(1,))
    straight, mirrored = (inferer(each, lambda x: x.cumsum(-1) * ramp) for each in (image, image.flip(-1)))
    torch.testing.assert_close(mirrored.flip(-1), straight)


@pytest.mark.parametrize("choices", [{"overlap": 1.0}, {"overlap": -0.5}, {"sw_batch_size": 0}])
def test_windows_that_are_none_are_refused(choices):
    with pytest.raises(InputError, match=next(iter(choices))):
        PlanInferer((16, 16), **choices)
