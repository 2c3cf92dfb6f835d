import pytest
import torch

from tanq_monai.losses.disentangled import latent_loss, reconstruction_loss

BOTH = pytest.mark.parametrize("loss", [reconstruction_loss, latent_loss])
GIVEN = torch.tensor([[0.5, -1.0, 0.25], [0.0, 1.0, -0.5]], dtype=torch.float64)
FOUND = torch.tensor([[0.25, 1.0, 0.25], [-0.5, 0.0, -0.75]], dtype=torch.float64)


@BOTH
def test_loss_is_the_mean_absolute_difference(loss):
    assert loss(GIVEN, FOUND).item() == pytest.approx((0.25 + 2 + 0 + 0.5 + 1 + 0.25) / 6, rel=1e-12)


@BOTH
def test_what_is_found_again_as_it_was_costs_nothing(loss):
    assert loss(GIVEN, GIVEN) == 0


@BOTH
def test_gradient_is_that_of_finite_differences(loss):
    assert torch.autograd.gradcheck(lambda found: loss(GIVEN, found), (FOUND.clone().requires_grad_(),))


def test_what_was_given_is_not_moved_towards_what_is_found():
    given, found = GIVEN.clone().requires_grad_(), FOUND.clone().requires_grad_()
    latent_loss(given, found).backward()
    assert given.grad is None
    assert torch.equal(found.grad, torch.tensor([[-1, 1, 0], [-1, -1, -1]]) / torch.tensor(6.0, dtype=torch.float64))
