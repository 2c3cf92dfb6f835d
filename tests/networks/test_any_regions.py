"""Norms and generators of other structures than VS and cochlea, beside written-out definitions."""

import pytest
import torch

from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.networks import RegionAdaptiveNorm, TanqGenerator
from tanq_monai.networks.norms import EPS, find_structures

LAYOUTS = [("surroundings",), ("own",), ("own", "surroundings", "own"), ("surroundings", "surroundings", "own", "own")]


def _labels(number, size=(24, 20), seed=0):
    """Rectangles of every region anywhere, touching or not; the second sample has the last region alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(2, 1, *size)
    for region in range(1, number + 1):
        top, left = (int(torch.randint(0, n - 9, (), generator=generator)) for n in size)
        labels[0, 0, top : top + 8, left : left + 7] = region
    labels[1, 0, 4:12, 4:12] = number
    return labels


def _features(*shape):
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return noise * (1 + torch.arange(shape[1], dtype=torch.float64)[:, None, None]) + 3


def _lively(network):
    generator = torch.Generator().manual_seed(2)
    for name, parameter in network.named_parameters():
        if "norm" in name:
            parameter.data = 1 + 0.5 * torch.randn(parameter.shape, generator=generator)
        else:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


@pytest.mark.parametrize("size", [(24, 20), (12, 10), (6, 5)])
def test_where_regions_meet_after_pooling_the_later_one_has_the_pixel(size):
    labels = _labels(4)
    factor = 24 // size[0]
    windows = labels.unfold(2, factor, factor).unfold(3, factor, factor)
    expected = windows.amax(dim=(-1, -2))[:, 0]
    found = find_structures(labels, size, min_pixels=1, num_structures=4)
    assert len(found) == 4
    shown = torch.zeros_like(expected)
    for region, structure in enumerate(found, start=1):
        assert not shown[structure.pixels].any()
        shown[structure.pixels] = region
    torch.testing.assert_close(shown, expected, rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_region_is_normalised_by_its_norm_pixel_by_pixel(layout):
    adaptive = [number for number, norm in enumerate(layout, start=1) if norm == "surroundings"]
    norm = RegionAdaptiveNorm(3, num_structures=len(layout), adaptive=adaptive).double()
    for parameter in norm.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    labels, x = _labels(len(layout)), _features(2, 3, 24, 20)
    expected = torch.empty_like(x)
    for sample, region in torch.cartesian_prod(torch.arange(2), torch.arange(len(layout) + 1)).tolist():
        inside = labels[sample, 0] == region
        if not inside.any():
            continue
        own, others = x[sample, :, inside], x[sample, :, labels[sample, 0] == 0]
        z = (own - own.mean(1, keepdim=True)) / (own.var(1, correction=0, keepdim=True) + EPS).sqrt()
        if region in adaptive:
            z = z * (others.var(1, correction=0, keepdim=True) + EPS).sqrt() + others.mean(1, keepdim=True)
        expected[sample, :, inside] = norm.weight[0, region][:, None] * z + norm.bias[0, region][:, None]
    found = norm(x, find_structures(labels, (24, 20), num_structures=len(layout)))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_graph_for_export_does_what_the_generator_does_and_all_of_it_learns(layout):
    network = _lively(TanqGenerator(width=4, blocks=2, norms=layout))
    slices = torch.rand(2, 2, 24, 20, generator=torch.Generator().manual_seed(4)) * 2 - 1
    slices[:, 1:] = _labels(len(layout))
    style = torch.zeros(2, dtype=torch.long)
    with torch.no_grad():
        expected = network(slices, style)
        assert expected.std() > 0.1
        torch.testing.assert_close(GraphGenerator(network)(slices, style), expected, rtol=0, atol=1e-4)
    translation = network.train()(slices)
    (translation.image.square().sum() + translation.logits.square().sum()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def test_a_structure_with_the_norm_of_its_surroundings_is_background_to_the_encoder_and_one_with_its_own_is_not():
    slices = torch.rand(1, 2, 24, 20, generator=torch.Generator().manual_seed(5)) * 2 - 1
    slices[:, 1] = 0
    without = slices.clone()
    slices[:, 1, 4:14, 4:14] = 1
    for layout, alike in ((("surroundings",), True), (("own",), False)):
        network = _lively(TanqGenerator(width=4, blocks=2, norms=layout))
        with torch.no_grad():
            pairs = list(zip(network.encode(slices), network.encode(without), strict=True))
        assert all(torch.equal(one, other) for one, other in pairs) == alike


@pytest.mark.parametrize("norms", [(), ("own", "none")])
def test_norms_that_are_none_are_refused(norms):
    with pytest.raises(ValueError, match=r"norms must be some of \('surroundings', 'own'\), got"):
        TanqGenerator(width=4, blocks=2, norms=norms)
