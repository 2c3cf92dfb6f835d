import itertools

import pytest
import torch
from torch.nn import functional as F

from tanq_monai.networks import RegionAdaptiveNorm, RegionNorm
from tanq_monai.networks.norms import EPS, InstanceNorm, find_structures

VS, COCHLEA = 1, 2


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _features(shape, seed=0, dtype=torch.float64):
    """Channels of different mean and spread, and nothing of them the same in two samples."""
    noise = torch.randn(shape, generator=_generator(seed), dtype=dtype)
    channels = torch.arange(shape[1], dtype=dtype)[None, :, None, None]
    return noise * (1 + channels) + 3 * channels - 2


def _random_labels(batch, size, seed=0):
    """Rectangles of VS and cochlea anywhere, touching or not; the last sample is empty."""
    generator = _generator(seed)
    labels = torch.zeros(batch, 1, *size)
    for sample in range(batch - 1):
        for value in (VS, COCHLEA):
            top, left = (int(torch.randint(0, n - 5, (), generator=generator)) for n in size)
            height, width = (int(torch.randint(2, 7, (), generator=generator)) for _ in size)
            labels[sample, 0, top : top + height, left : left + width] = value
    return labels


def _regions(labels, size, min_pixels=4):
    """Region of every pixel of a feature map, window by window: cochlea before VS; too small a region is background."""
    regions = torch.zeros(len(labels), *size, dtype=torch.int64)
    factor = labels.shape[2] // size[0], labels.shape[3] // size[1]
    for sample, i, j in torch.cartesian_prod(*(torch.arange(n) for n in regions.shape)).tolist():
        rows = slice(i * factor[0], (i + 1) * factor[0])
        window = labels[sample, 0, rows, j * factor[1] : (j + 1) * factor[1]]
        regions[sample, i, j] = window.max().long()
    for own in regions:
        for value in (VS, COCHLEA):
            if (own == value).sum() < min_pixels:
                own[own == value] = 0
    return regions


def _definition(x, regions, weight, bias, adaptive):
    """Equations 2, 5 and 6, region by region; ``regions`` (B, H, W) index ``weight`` (R, C)."""
    y = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            plane = x[b, c]
            others = plane[regions[b] == 0] if (regions[b] == 0).any() else plane
            for r in regions[b].unique().tolist():
                own = plane[regions[b] == r]
                z = (own - own.mean()) / (own.var(correction=0) + EPS).sqrt()
                if adaptive and r == VS:
                    z = z * (others.var(correction=0) + EPS).sqrt() + others.mean()
                y[b, c][regions[b] == r] = weight[r, c] * z + bias[r, c]
    return y


def _region_norm(channels=3, num_structures=1, kind=RegionNorm, seed=1):
    """In float64, with an affine that differs in every region and channel."""
    norm = kind(channels, num_structures) if kind is RegionNorm else kind(channels)
    generator = _generator(seed)
    for parameter in norm.double().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return norm


def _labels_with(size, *boxes):
    """One sample; boxes are (value, top, left, height, width)."""
    labels = torch.zeros(1, 1, *size)
    for value, top, left, height, width in boxes:
        labels[0, 0, top : top + height, left : left + width] = value
    return labels


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [(24, 20), (12, 10), (6, 5)])
def test_region_norm_equals_its_definition_pixel_by_pixel(seed, size):
    labels, norm = _random_labels(3, (24, 20), seed), _region_norm()
    x = _features((3, 3, *size), seed)
    cochlea = (_regions(labels, size) == COCHLEA).long()
    expected = _definition(x, cochlea, norm.weight[0], norm.bias[0], adaptive=False)
    torch.testing.assert_close(norm(x, find_structures(labels, size)[1:]), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [(24, 20), (12, 10)])
@pytest.mark.parametrize("kind", [RegionNorm, RegionAdaptiveNorm])
def test_norms_of_the_decoder_equal_their_definition_pixel_by_pixel(seed, size, kind):
    labels, norm = _random_labels(3, (24, 20), seed), _region_norm(num_structures=2, kind=kind)
    x, regions = _features((3, 3, *size), seed), _regions(labels, size)
    expected = _definition(x, regions, norm.weight[0], norm.bias[0], adaptive=kind is RegionAdaptiveNorm)
    torch.testing.assert_close(norm(x, find_structures(labels, size)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [RegionNorm, RegionAdaptiveNorm])
@pytest.mark.parametrize(
    ("boxes", "edge"),
    [
        ([(VS, 0, 0, 8, 8)], "VS everywhere"),
        ([(COCHLEA, 0, 0, 8, 8)], "cochlea everywhere"),
        ([(VS, 0, 0, 8, 5), (COCHLEA, 0, 5, 8, 3)], "VS and cochlea fill the slice"),
        ([(VS, 2, 2, 2, 2)], "the smallest VS that counts"),
        ([(VS, 1, 1, 1, 3), (COCHLEA, 4, 4, 3, 3)], "VS too small"),
        ([(VS, 1, 1, 4, 4), (COCHLEA, 6, 6, 1, 2)], "cochlea too small"),
    ],
)
def test_edges_equal_the_definition_too(kind, boxes, edge):
    labels, norm = _labels_with((8, 8), *boxes), _region_norm(num_structures=2, kind=kind)
    x, regions = _features((1, 3, 8, 8)), _regions(labels, (8, 8))
    expected = _definition(x, regions, norm.weight[0], norm.bias[0], adaptive=kind is RegionAdaptiveNorm)
    torch.testing.assert_close(norm(x, find_structures(labels, (8, 8))), expected, rtol=1e-9, atol=1e-9, msg=edge)


@pytest.mark.parametrize("norm", [RegionNorm(3, 2), RegionAdaptiveNorm(3), InstanceNorm(3)])
def test_without_structures_every_norm_is_instance_norm(norm):
    x = _features((2, 3, 7, 9), dtype=torch.float32)
    result = norm(x, find_structures(torch.zeros(2, 1, 7, 9), (7, 9)))
    torch.testing.assert_close(result, F.instance_norm(x, eps=EPS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pixels", [1, 2, 3])
@pytest.mark.parametrize("value", [VS, COCHLEA])
def test_a_structure_of_fewer_than_four_pixels_joins_the_others(pixels, value):
    norm, x = _region_norm(kind=RegionAdaptiveNorm), _features((1, 3, 8, 8))
    with_structure = norm(x, find_structures(_labels_with((8, 8), (value, 3, 3, 1, pixels)), (8, 8)))
    without = norm(x, find_structures(torch.zeros(1, 1, 8, 8), (8, 8)))
    torch.testing.assert_close(with_structure, without, rtol=0, atol=0)


def test_the_smallest_size_of_a_structure_can_be_chosen():
    labels = _labels_with((8, 8), (COCHLEA, 3, 3, 1, 2))
    assert find_structures(labels, (8, 8), min_pixels=2)[1].counts.tolist() == [2.0]
    assert find_structures(labels, (8, 8), min_pixels=3)[1].counts.tolist() == [0.0]


def test_a_structure_counts_in_one_sample_and_not_in_another():
    labels = torch.cat([_labels_with((8, 8), (VS, 0, 0, 3, 3)), _labels_with((8, 8), (VS, 0, 0, 1, 3))])
    vs, cochlea = find_structures(labels, (8, 8))
    assert vs.counts.tolist() == [9.0, 0.0]
    assert set(vs.pixels[0].tolist()) == {0}
    assert cochlea.counts.tolist() == [0.0, 0.0]


def test_where_vs_and_cochlea_meet_the_cochlea_wins():
    labels = _labels_with((16, 16), (VS, 0, 0, 16, 6), (COCHLEA, 0, 6, 16, 6))
    vs, cochlea = find_structures(labels, (4, 4))
    assert sorted(set(vs.pixels[2].tolist())) == [0]
    assert sorted(set(cochlea.pixels[2].tolist())) == [1, 2]


def test_max_pooling_never_loses_a_structure():
    for top in range(15):
        for left in range(15):
            for value in (VS, COCHLEA):
                labels = _labels_with((16, 16), (value, top, left, 2, 2))
                found = find_structures(labels, (4, 4), min_pixels=1)
                assert found[value - 1].counts.item() >= 1, (top, left, value)


def test_a_sample_does_not_depend_on_its_batch():
    x, labels = _features((3, 3, 16, 16)), _random_labels(3, (16, 16))
    norm = _region_norm(kind=RegionAdaptiveNorm)
    together = norm(x, find_structures(labels, (16, 16)))
    for i in range(3):
        alone = norm(x[i : i + 1], find_structures(labels[i : i + 1], (16, 16)))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [RegionNorm, RegionAdaptiveNorm])
def test_cochlea_does_not_depend_on_the_background(kind):
    labels = _labels_with((16, 16), (VS, 1, 1, 6, 6), (COCHLEA, 9, 9, 4, 4))
    norm, x, other = _region_norm(num_structures=2, kind=kind), _features((1, 3, 16, 16)), _features((1, 3, 16, 16), 5)
    cochlea = (labels == COCHLEA).expand_as(x)
    mixed = torch.where(cochlea, x, other)
    structures = find_structures(labels, (16, 16))
    torch.testing.assert_close(norm(x, structures)[cochlea], norm(mixed, structures)[cochlea], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("value", [VS, COCHLEA])
def test_background_does_not_depend_on_a_structure(value):
    labels = _labels_with((16, 16), (value, 4, 4, 5, 5))
    norm, x = _region_norm(kind=RegionAdaptiveNorm), _features((1, 3, 16, 16))
    background = (labels == 0).expand_as(x)
    mixed = torch.where(background, x, 40 * x + 700)
    structures = find_structures(labels, (16, 16))
    torch.testing.assert_close(
        norm(x, structures)[background], norm(mixed, structures)[background], rtol=1e-8, atol=1e-8
    )


def test_adaptive_norm_gives_the_vs_mean_and_spread_of_its_surroundings():
    labels = _labels_with((16, 16), (VS, 1, 1, 6, 6), (COCHLEA, 9, 9, 4, 4))
    x = _features((1, 3, 16, 16))
    y = RegionAdaptiveNorm(3).double()(x, find_structures(labels, (16, 16)))
    for channel in range(3):
        vs, others = y[0, channel][labels[0, 0] == VS], x[0, channel][labels[0, 0] == 0]
        assert vs.mean().item() == pytest.approx(others.mean().item(), abs=1e-10)
        assert vs.std(correction=0).item() == pytest.approx(others.std(correction=0).item(), rel=1e-4)


@pytest.mark.parametrize("kind", [RegionNorm, RegionAdaptiveNorm])
def test_gradients_of_input_and_affine_are_right(kind):
    labels = torch.cat(
        [_labels_with((6, 6), (VS, 0, 0, 3, 3), (COCHLEA, 3, 3, 2, 3)), _labels_with((6, 6), (VS, 0, 0, 6, 6))]
    )
    norm, structures = _region_norm(2, num_structures=2, kind=kind), find_structures(labels, (6, 6))
    x = _features((2, 2, 6, 6)).requires_grad_()

    def call(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x, structures))

    assert torch.autograd.gradcheck(call, (x, norm.weight, norm.bias))


@pytest.mark.parametrize("kind", [RegionNorm, RegionAdaptiveNorm])
def test_constant_regions_have_finite_gradients(kind):
    labels = _labels_with((8, 8), (VS, 0, 0, 3, 3), (COCHLEA, 4, 4, 3, 3))
    norm = RegionNorm(2, 2) if kind is RegionNorm else RegionAdaptiveNorm(2)
    x = (labels.expand(1, 2, 8, 8) * 3 - 1).requires_grad_()
    y = norm(x, find_structures(labels, (8, 8)))
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    for gradient in (x.grad, norm.weight.grad, norm.bias.grad):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_statistics_of_half_precision_features_are_those_of_float32(dtype):
    labels = _labels_with((96, 96), (VS, 10, 10, 20, 20), (COCHLEA, 60, 60, 6, 6))
    structures, norm = find_structures(labels, (96, 96)), RegionAdaptiveNorm(2)
    x = (100 + 10 * torch.randn(1, 2, 96, 96, generator=_generator())).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = norm(x, structures)
    assert y.dtype == dtype
    exact = norm(x.double(), structures)
    torch.testing.assert_close(y.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=1e-3)


def test_the_number_of_structures_must_fit_the_layer():
    structures = find_structures(torch.zeros(1, 1, 8, 8), (8, 8))
    with pytest.raises(ValueError, match="expected 1 structures, got 2"):
        RegionNorm(3)(torch.zeros(1, 3, 8, 8), structures)


@pytest.mark.parametrize("rest", [1, 2, 30, 200])
def test_the_rest_is_exact_in_float32_where_structures_all_but_fill_the_slice(rest):
    generator = torch.Generator().manual_seed(rest)
    features = 5 + torch.randn(2, 6, 40, 40, generator=generator)
    features.flatten(2)[..., :rest] += 20  # others lie elsewhere than the structures
    labels = torch.full((2, 1, 40, 40), 2.0)
    labels[:, :, 20:] = 1
    labels.flatten(2)[..., :rest] = 0
    norm = RegionAdaptiveNorm(6)
    found = norm(features, find_structures(labels, (40, 40)))
    inside = labels.double().expand(-1, 6, -1, -1)
    for sample, channel in itertools.product(range(2), range(6)):
        x, region = features[sample, channel].double(), inside[sample, channel]
        others = x[region == 0]
        std = (others.var(correction=0) + 1e-5).sqrt()
        torch.testing.assert_close(
            found[sample, channel][region == 0].double(), (others - others.mean()) / std, rtol=0, atol=2e-3
        )
