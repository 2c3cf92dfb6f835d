import pytest
import torch

from tanq_monai.losses.adversarial import discriminator_loss, generator_loss


def _scores(seed):
    return torch.randn(2, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_discriminator_loss_equals_its_definition():
    real, fake = _scores(0), _scores(1)
    terms = [(r - 1) ** 2 / 24 for r in real.flatten().tolist()] + [f**2 / 24 for f in fake.flatten().tolist()]
    assert discriminator_loss(real, fake).item() == pytest.approx(sum(terms) / 2, rel=1e-12)


def test_generator_loss_equals_its_definition():
    fake = _scores(2)
    assert generator_loss(fake).item() == pytest.approx(sum((f - 1) ** 2 for f in fake.flatten().tolist()) / 24)


def test_a_discriminator_that_is_right_loses_nothing():
    assert discriminator_loss(torch.ones(3), torch.zeros(5)) == 0


def test_a_score_of_minus_one_on_real_costs_four():
    assert discriminator_loss(-torch.ones(3), torch.zeros(3)) == 4 / 2


def test_real_and_fake_weigh_the_same_whatever_their_number():
    assert discriminator_loss(torch.zeros(2), torch.zeros(200)) == discriminator_loss(torch.ones(2), torch.ones(200))


def test_a_fake_that_is_taken_for_real_costs_the_generator_nothing():
    assert generator_loss(torch.ones(2, 1, 4, 4)) == 0
    assert generator_loss(torch.zeros(2, 1, 4, 4)) == 1
