"""What goes over the wire, and its mean."""

import numpy as np
import pytest
import torch
from slice_segmenter import slice_segmenter
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.federated.exchange import Training, Update, digest_of, mean_weights, put_weights, weights_of
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.steps import BUNDLES, SEGMENTER


def network_of(folder):
    return network_from_plans(folder / "plans.json", folder / "dataset.json")


@pytest.fixture
def network(tmp_path):
    return network_of(slice_segmenter(tmp_path / "model"))


class Counted(nn.Module):
    """A weight under two names, and a whole number."""

    def __init__(self, weight, count):
        super().__init__()
        self.first = nn.Parameter(torch.tensor(weight))
        self.second = self.first
        self.register_buffer("count", torch.tensor(count))


def counted(weight, count):
    return weights_of(Counted(weight, count))


def test_the_shipped_network_sends_every_weight_once_in_a_third_of_its_state_dicts_bytes():
    network = network_of(BUNDLES / SEGMENTER / "models")
    weights, state = weights_of(network), network.state_dict()
    assert [*weights] == [name for name, _ in network.named_parameters()]
    assert {value.dtype for value in weights.values()} == {np.dtype("float32")}
    sent, named = (sum(value.nbytes for value in values) for values in (weights.values(), state.values()))
    assert sent == 4 * sum(value.numel() for value in network.parameters())
    assert 2.8 < named / sent < 3.2


def test_a_network_that_is_given_anothers_weights_has_its_bits_under_every_name(network, tmp_path):
    other = network_of(slice_segmenter(tmp_path / "other"))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    put_weights(weights_of(other), network.to(memory_format=torch.channels_last), "here")
    expected = other.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_weights_are_copies_that_later_steps_leave_alone(network):
    weights = weights_of(network)
    before = digest_of(weights)
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert digest_of(weights) == before != digest_of(weights_of(network))


def test_the_mean_is_weighted_by_scans_and_of_the_weights_own_types():
    updates = {"tilburg": Update(counted([1.0, -2.0], 3), 1), "london": Update(counted([2.0, 2.0], 6), 3)}
    network = Counted([0.0, 0.0], 0)
    mean = mean_weights(updates, network)
    assert {name: (value.dtype.name, value.tolist()) for name, value in mean.items()} == {
        "first": ("float32", [1.75, 1.0]),
        "count": ("int64", 5),  # 5.25
    }
    assert network.second.tolist() == [1.75, 1.0]


def test_the_mean_of_equal_weights_has_their_bits_whatever_the_numbers_of_scans():
    generator = torch.Generator().manual_seed(0)
    weights = counted((torch.rand(1000, generator=generator) * 1e-3).tolist(), 7)
    updates = {name: Update(weights, cases) for name, cases in {"a": 3, "b": 7, "c": 11}.items()}
    assert digest_of(mean_weights(updates, Counted([0.0] * 1000, 0))) == digest_of(weights)


def test_the_mean_does_not_depend_on_who_answers_first():
    generator = torch.Generator().manual_seed(0)
    updates = {name: Update(counted(torch.rand(1000, generator=generator).tolist(), 1), 3) for name in "abc"}
    turned = dict(reversed(updates.items()))
    there, back = (mean_weights(order, Counted([0.0] * 1000, 0)) for order in (updates, turned))
    assert digest_of(there) == digest_of(back)


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (Update(counted([float("nan")], 1), 1), "weights of london: holds first with NaN or infinity"),
        (Update(counted([1.0, 2.0], 1), 1), "weights of london: does not fit the network: 2 weights differ"),
        (Update({"first": np.float32([1])}, 1), "the first is count"),
        (Update(counted([1.0], 1) | {"third": np.float32([1])}, 1), "the first is third"),
        (Update(counted([1.0], 1), 0), "london: trained on 0 scans"),
    ],
)
def test_weights_that_cannot_be_averaged_are_told_with_their_site(update, words):
    with pytest.raises(InputError, match=words):
        mean_weights({"london": update}, Counted([0.0], 0))


@pytest.mark.parametrize(
    "choices",
    [
        {"num_rounds": 0},
        {"learning_rate": "$__import__('os').abort()"},
        {"batch_size": "@device"},
        {"iterations_per_epoch": 1.5},
    ],
)
def test_a_training_is_numbers_and_nothing_that_a_site_would_evaluate(choices):
    with pytest.raises(InputError, match=next(iter(choices))):
        Training(**choices)
