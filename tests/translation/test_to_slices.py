import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from tanq_monai.translation.slice_transform import ToSlicesd

AFFINE = torch.tensor(np.diag([-0.5, -0.5, 1.5, 1.0]))


def _data(label=True, shape=(16, 18, 10)):
    """A scan with a magnitude of 0 to 100 and, if wanted, a VS in its lower half."""
    image = np.random.default_rng(0).uniform(20, 100, shape).astype(np.float32)
    data = {"image": MetaTensor(image[None], affine=AFFINE), "case": "a"}
    if label:
        labels = np.zeros(shape, dtype=np.float32)
        labels[5:9, 6:10, 2:4] = 1
        labels[10:12, 6:10, 3:4] = 2
        data["label"] = MetaTensor(labels[None], affine=AFFINE)
    return data


def _transform(**choices):
    return ToSlicesd(**({"pixels": 20, "pixel_mm": 0.5} | choices))


def test_scan_and_label_become_one_stack():
    stack = _transform()(_data())["image"]
    assert stack.shape == (2, 20, 20, 10)
    assert stack.dtype == torch.float32
    assert (stack[0].min().item(), stack[0].max().item()) == (-1, 1)
    assert set(stack[1].unique().tolist()) == {0, 1, 2}
    assert (stack[1] == 1).sum() == 4 * 4 * 2
    assert (stack[1] == 2).sum() == 2 * 4


def test_without_label_the_label_map_is_empty():
    stack = _transform(slab_mm=6.0)(_data(label=False))["image"]
    assert stack.shape == (2, 20, 20, 10)  # the slab is for the structures; without them, the whole scan
    assert stack[1].abs().max() == 0


def test_slab_is_round_the_structures():
    stack = _transform(slab_mm=6.0)(_data())["image"]
    assert stack.shape == (2, 20, 20, 4)
    assert (stack[1] > 0).sum() == 4 * 4 * 2 + 2 * 4


@pytest.mark.parametrize("slab_mm", [None, 6.0])
def test_inverse_puts_the_stack_back_onto_the_grid_of_the_scan(slab_mm):
    data, transform = _data(), _transform(slab_mm=slab_mm)
    out = transform(data)
    out["image"] = out["image"][:1]
    back = transform.inverse(out)["image"]
    assert back.shape == data["image"].shape
    assert back.dtype == torch.float32
    torch.testing.assert_close(back.affine, data["image"].affine)
    values = data["image"][0].as_tensor().flatten()
    top = values.kthvalue(round(len(values) * 0.995)).values if slab_mm is None else None
    if top is not None:
        expected = (data["image"].as_tensor() / top).clamp(0, 1)
        torch.testing.assert_close(back.as_tensor(), expected, rtol=0, atol=1e-3)
    else:
        assert [bool(back[..., k].any()) for k in range(10)] == [1 <= k < 5 for k in range(10)]


def test_inverse_leaves_no_transform_behind():
    transform = _transform()
    out = transform(_data())
    assert len(out["image"].applied_operations) == 1
    out["image"] = out["image"][:1]
    assert transform.inverse(out)["image"].applied_operations == []


def test_other_entries_and_the_given_dictionary_stay_as_they_are():
    data = _data()
    before = data["image"]
    out = _transform()(data)
    assert data["image"] is before
    assert out["case"] == "a"
    assert out["label"] is data["label"]


def test_keys_can_be_chosen():
    data = _data()
    renamed = {"scan": data["image"], "truth": data["label"]}
    stack = _transform(image_key="scan", label_key="truth")(renamed)["scan"]
    assert (stack[1] == 1).any()
