import pytest
import torch
from ignite.engine import Engine, Events

from tanq_monai.trainers.schedule import LearningRate, constant_then_linear


def _rates(max_epochs, first=1):
    """Learning rate of epoch ``first``, ... as two optimizers see it in an engine."""
    optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0) for _ in range(2)]
    engine = Engine(lambda *_: None)
    engine.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", first - 1))
    LearningRate(optimizers, 0.0002).attach(engine)
    rates = []
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda _: rates.append([o.param_groups[0]["lr"] for o in optimizers])
    )
    engine.run([0], max_epochs=max_epochs)
    assert engine.state.learning_rate == rates[-1][0]  # where handlers that log it find it
    assert all(one == other for one, other in rates)
    return [rate for rate, _ in rates]


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
    factors = [constant_then_linear(epoch, max_epochs) for epoch in range(1, max_epochs + 1)]
    assert sum(factor < 1 for factor in factors) == max_epochs // 2 + 1
    assert min(factors) > 0


def test_a_resumed_run_has_the_rates_of_an_uninterrupted_one():
    assert _rates(10, first=6) == _rates(10)[5:]
