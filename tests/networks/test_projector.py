import pytest
import torch
from golden import fill

from tanq_monai.losses.contrastive import contrastive_loss, patch_nce
from tanq_monai.networks import FeatureProjector, FeatureSampler
from tanq_monai.networks.attention import attention_entropy, places

CHANNELS = (1, 128, 256, 256, 256)


@pytest.fixture(scope="module")
def features():
    """Keys and queries of the golden numbers: five layers (1, C, 16, 16) each."""
    keys, queries = [], []
    for layer, channels in enumerate(CHANNELS):
        axes = (torch.arange(n, dtype=torch.float64) for n in (channels, 16, 16))
        c, h, w = torch.meshgrid(*axes, indexing="ij")
        keys.append(0.1 * torch.sin(0.3 * c + 0.2 * h + 0.5 * w + layer)[None])
        queries.append(0.1 * torch.cos(0.25 * c + 0.3 * h + 0.4 * w + layer)[None])
    return keys, queries


def test_parameters_are_as_many_as_published():
    assert sum(p.numel() for p in FeatureProjector().parameters()) == 559_872


def test_sampler_projector_and_patch_nce_have_the_golden_values(features):
    projector = FeatureProjector()
    fill(projector, amplitude=0.05)
    projector = projector.double()
    with torch.no_grad():
        keys, queries = map(projector, FeatureSampler(num_patches=256, attended=2)(*features))
        losses = [patch_nce(q, k).mean().item() for q, k in zip(queries, keys, strict=True)]
    expected = [11.3762744302, 5.5452578225, 5.5528317894, 5.5475702768, 5.5488569338]
    assert losses == pytest.approx(expected, abs=1e-8)
    assert contrastive_loss(queries, keys).item() == pytest.approx(6.7141582505, abs=1e-8)


def test_attention_has_the_golden_entropies(features):
    entropies = attention_entropy(places(features[0][3]))
    assert entropies.min().item() == pytest.approx(5.1962853362, abs=1e-8)
    assert entropies.max().item() == pytest.approx(5.2771974521, abs=1e-8)


def test_rows_have_unit_length_and_zeros_stay_finite():
    # So wide that no row meets only closed ReLUs, whatever the first weights: such a row stays zero.
    projector = FeatureProjector(channels=(3, 5), width=64)
    rows = [torch.randn(2, 7, c, generator=torch.Generator().manual_seed(c)) for c in (3, 5)]
    projected = projector(rows)
    assert [tuple(p.shape) for p in projected] == [(2, 7, 64), (2, 7, 64)]
    for p in projected:
        torch.testing.assert_close(p.norm(dim=-1), torch.ones(2, 7), rtol=1e-2, atol=1e-2)
    assert projector([torch.zeros(1, 2, 3), torch.zeros(1, 2, 5)])[0].abs().max() == 0
    # zero biases at the start: a zero row stays zero instead of becoming 0 / 0


def test_each_layer_needs_a_head():
    with pytest.raises(ValueError, match="shorter"):
        FeatureProjector(channels=(3, 5), width=8)([torch.zeros(1, 2, 3)])
