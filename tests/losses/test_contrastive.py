import math

import pytest
import torch

from tanq_monai.losses.contrastive import contrastive_loss, patch_nce


def _rows(seed, batch=2, patches=5, channels=4):
    """Rows of unit length in float64."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(batch, patches, channels, dtype=torch.float64, generator=generator)
    return rows / rows.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_patch_nce_equals_its_definition(temperature):
    queries, keys = _rows(0), _rows(1)
    losses = patch_nce(queries, keys, temperature)
    assert losses.shape == (2, 5)
    for b in range(2):
        for i in range(5):
            logits = [float(queries[b, i] @ keys[b, j]) / temperature for j in range(5)]
            expected = math.log(sum(math.exp(v) for v in logits)) - logits[i]
            assert losses[b, i].item() == pytest.approx(expected, rel=1e-10)


def test_temperature_is_007_unless_told():
    torch.testing.assert_close(patch_nce(_rows(0), _rows(1)), patch_nce(_rows(0), _rows(1), 0.07))


@pytest.mark.parametrize("patches", [3, 256])
def test_chance_is_the_logarithm_of_the_number_of_patches(patches):
    same = torch.ones(1, patches, 4) / 2
    torch.testing.assert_close(patch_nce(same, same), torch.full((1, patches), math.log(patches)))


def test_patches_that_find_their_own_key_cost_nothing():
    rows = torch.eye(6)[None]
    assert patch_nce(rows, rows).max() < 1e-5


def test_candidates_are_of_the_same_image_only():
    queries, keys = _rows(0), _rows(1)
    alone = patch_nce(queries[:1], keys[:1])
    torch.testing.assert_close(patch_nce(queries, keys)[:1], alone)


def test_keys_get_no_gradient_and_queries_the_right_one():
    queries, keys = _rows(0).requires_grad_(), _rows(1).requires_grad_()
    patch_nce(queries, keys).sum().backward()
    assert keys.grad is None
    assert torch.autograd.gradcheck(lambda q: patch_nce(q, keys), (_rows(2).requires_grad_(),))


def test_contrastive_loss_is_the_mean_over_patches_then_layers():
    queries, keys = [_rows(0), _rows(2, patches=9)], [_rows(1), _rows(3, patches=9)]
    layers = [patch_nce(q, k).mean().item() for q, k in zip(queries, keys, strict=True)]
    assert contrastive_loss(queries, keys).item() == pytest.approx(sum(layers) / 2, rel=1e-12)


def test_contrastive_loss_passes_the_temperature_on():
    expected = patch_nce(_rows(0), _rows(1), 0.5).mean()
    torch.testing.assert_close(contrastive_loss([_rows(0)], [_rows(1)], 0.5), expected)


def test_every_layer_of_queries_needs_keys():
    with pytest.raises(ValueError, match="shorter"):
        contrastive_loss([_rows(0), _rows(0)], [_rows(1)])
