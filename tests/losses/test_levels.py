import pytest
import torch

from tanq_monai.losses.levels import level_loss

RANGES = {1: (0.2, 0.4), 2: (0.6, 0.8)}


def _case(vs, cochlea):
    """Magnitude and label map of two slices: two pixels of VS, one of cochlea, one of background."""
    magnitude = torch.tensor([[vs[0], vs[1]], [cochlea, 0.9]], dtype=torch.float64).expand(2, 1, 2, 2).clone()
    return magnitude, torch.tensor([[1.0, 1.0], [2.0, 0.0]]).expand(2, 1, 2, 2)


@pytest.mark.parametrize(
    ("vs", "cochlea", "expected"),
    [
        ((0.3, 0.3), 0.7, 0.0),
        ((0.1, 0.5), 0.7, 0.0),  # the mean counts, not the pixel
        ((0.2, 0.2), 0.8, 0.0),
        ((0.1, 0.1), 0.7, 0.1**2),
        ((0.3, 0.3), 1.0, 0.2**2),
        ((0.6, 0.8), 0.5, 0.3**2 + 0.1**2),
    ],
)
def test_loss_is_the_squared_distance_of_the_mean_to_the_range(vs, cochlea, expected):
    assert level_loss(*_case(vs, cochlea), RANGES).tolist() == pytest.approx([expected] * 2, abs=1e-12)


def test_every_slice_is_held_to_the_range_by_itself():
    (dark, labels), (bright, _) = _case((0.1, 0.1), 0.7), _case((0.5, 0.5), 0.7)
    both = torch.cat([dark[:1], bright[:1]])  # together their mean would be within the range
    assert level_loss(both, labels, RANGES).tolist() == pytest.approx([0.01, 0.01])


def test_an_absent_structure_adds_nothing():
    magnitude, labels = _case((0.9, 0.9), 0.0)
    assert level_loss(magnitude, torch.zeros_like(labels), RANGES).tolist() == [0, 0]
    assert level_loss(magnitude, labels, {}).tolist() == [0, 0]


def test_gradient_is_right_and_only_in_the_structures():
    magnitude, labels = _case((0.6, 0.8), 0.5)
    assert torch.autograd.gradcheck(lambda m: level_loss(m, labels, RANGES), (magnitude.requires_grad_(),))
    level_loss(magnitude, labels, RANGES).sum().backward()
    assert magnitude.grad[labels == 0].abs().max() == 0
    assert (magnitude.grad[labels == 1] > 0).all()
    assert (magnitude.grad[labels == 2] < 0).all()
