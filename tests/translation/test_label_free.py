import numpy as np
import pytest
import torch
from scipy import ndimage

from tanq_monai.translation.views.label_free import AROUND_PIXELS, cost_table, label_free_cost


def volumes(seed=0):
    """Two translations (40, 36, 3) of one label map with a VS and a cochlea that touch."""
    generator = torch.Generator().manual_seed(seed)
    one, other = (torch.rand((40, 36, 3), generator=generator) * 2 - 1 for _ in range(2))
    label = torch.zeros(40, 36, 3)
    label[14:20, 14:18, 1:], label[20:24, 14:17, 1] = 1, 2
    return one, other, label


def test_costs_equal_their_definition_written_out():
    one, other, label = volumes()
    prediction = label.roll(2, dims=0)
    cost = label_free_cost(one, other, label, prediction)
    magnitudes = [(v.double().numpy() + 1) / 2 for v in (one, other)]
    difference, label, prediction = np.abs(magnitudes[0] - magnitudes[1]), label.numpy(), prediction.numpy()
    square = np.ones((2 * AROUND_PIXELS + 1, 2 * AROUND_PIXELS + 1, 1))
    for name, value in {"VS": 1, "cochlea": 2}.items():
        inside = label == value
        around = ndimage.binary_dilation(inside, square) & (label == 0)
        overlap = 2 * (inside & (prediction == value)).sum() / (inside.sum() + (prediction == value).sum())
        assert cost[name]["difference_inside"] == pytest.approx(difference[inside].mean(), abs=1e-6)
        assert cost[name]["difference_around"] == pytest.approx(difference[around].mean(), abs=1e-6)
        assert cost[name]["dice"] == pytest.approx(overlap)


def test_the_label_itself_as_prediction_costs_nothing():
    one, _, label = volumes()
    expected = {"difference_inside": 0.0, "difference_around": 0.0, "dice": 1.0}
    assert label_free_cost(one, one, label, label) == {"VS": expected, "cochlea": expected}


def test_a_structure_that_is_not_there_has_no_cost():
    one, other, label = volumes()
    label[label == 1] = 0
    cost = label_free_cost(one, other, label, torch.ones_like(label))
    assert set(cost["VS"].values()) == {None}
    assert cost["cochlea"]["dice"] == 0.0


def test_the_table_has_means_over_the_scans_that_have_the_structure():
    full = {"difference_inside": 0.2, "difference_around": 0.1, "dice": 0.5}
    half = {key: value / 2 for key, value in full.items()}
    none = dict.fromkeys(full)
    costs = [
        ("tanq", {"VS": full, "cochlea": none}),
        ("tanq", {"VS": half, "cochlea": none}),
        ("tanq", {"VS": none, "cochlea": none}),
    ]
    table = cost_table(costs).set_index(["view", "structure"])
    assert table.loc[("tanq", "VS")].tolist() == pytest.approx([2, 0.15, 0.075, 0.375])
    assert table.loc[("tanq", "cochlea"), "scans"] == 0
    assert table.loc[("tanq", "cochlea")].isna().sum() == 3


def test_without_any_cost_the_table_is_empty():
    assert cost_table([]).empty
