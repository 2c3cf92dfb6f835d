import pytest
import torch

from tanq_monai.losses.cycle import cycle_loss, identity_loss

BOTH = pytest.mark.parametrize("loss", [cycle_loss, identity_loss])


def _slices(seed):
    return torch.rand(2, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@BOTH
def test_loss_is_the_mean_absolute_difference_of_the_pixels(loss):
    image, other = _slices(0), _slices(1)
    expected = sum(abs(a - b) for a, b in zip(image.flatten().tolist(), other.flatten().tolist(), strict=True)) / 24
    assert loss(image, other).item() == pytest.approx(expected, rel=1e-12)


@BOTH
def test_slices_that_come_back_unchanged_cost_nothing(loss):
    assert loss(_slices(0), _slices(0)) == 0


@BOTH
def test_a_black_slice_in_a_white_ones_place_costs_two(loss):
    assert loss(torch.ones(1, 1, 2, 2), -torch.ones(1, 1, 2, 2)) == 2


@BOTH
def test_gradient_is_that_of_finite_differences(loss):
    assert torch.autograd.gradcheck(loss, (_slices(0), _slices(1).requires_grad_()))
