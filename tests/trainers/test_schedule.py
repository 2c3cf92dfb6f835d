import pytest
import torch

from tanq_monai.trainers.schedule import ConstantThenLinear


def _rates(max_epochs):
    """Learning rate of epoch 1, 2, ... as the optimizer sees it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.0002)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, ConstantThenLinear(max_epochs))
    rates = []
    for _ in range(max_epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_rates_of_400_epochs_are_those_of_the_paper():
    rates = _rates(400)
    assert rates[:200] == [0.0002] * 200
    assert rates[200] == pytest.approx(0.000199, abs=1e-8)
    assert rates[399] == pytest.approx(9.95e-7, rel=1e-4)


@pytest.mark.parametrize("max_epochs", [2, 10, 400])
def test_rates_equal_their_definition(max_epochs):
    n = max_epochs // 2
    expected = [0.0002 * (1 - max(0, e - n) / (n + 1)) for e in range(1, max_epochs + 1)]
    assert _rates(max_epochs) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("max_epochs", [1, 3, 7])
def test_an_odd_number_of_epochs_falls_one_epoch_longer_and_never_to_zero(max_epochs):
    rates = _rates(max_epochs)
    assert sum(rate < 0.0002 for rate in rates) == max_epochs // 2 + 1
    assert min(rates) > 0
