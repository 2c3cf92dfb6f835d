import pytest
import torch
from torch.nn import functional as F

from tanq_monai.networks import bands
from tanq_monai.networks.bands import take_moments
from tanq_monai.networks.norms import InstanceNorm, RegionAdaptiveNorm, find_structures
from tanq_monai.networks.pixelwise import rectify

FINISHES = [(1.0, 0), (0.0, 0), (0.0, 1), (0.2, 3)]


def _random(*shape, seed=0, dtype=torch.float64):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last)


def _labels():
    """VS and cochlea at borders and in the middle of one slice; all but one pixel VS in the other."""
    labels = torch.zeros(2, 1, 8, 9)
    labels[0, 0, :3, :3], labels[0, 0, 4:7, 3:6] = 1, 2
    labels[1], labels[1, 0, 7, 8] = 1, 0
    return labels


def _norm(dtype=torch.float64):
    norm = RegionAdaptiveNorm(3).to(dtype)
    for number, parameter in enumerate(norm.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number), dtype=dtype)
    return norm


@pytest.fixture(params=[1, 2**18], ids=["row by row", "at once"])
def _bands(request, monkeypatch):
    monkeypatch.setattr(bands, "AT_ONCE", request.param)


@pytest.mark.usefixtures("_bands")
@pytest.mark.parametrize(("slope", "margin"), FINISHES)
def test_what_follows_a_norm_is_what_torch_would_do_after_it(slope, margin):
    norm, x, structures = _norm(), _random(2, 3, 8, 9), find_structures(_labels(), (8, 9))
    expected = F.leaky_relu(norm(x, structures), slope)
    expected = F.pad(expected, (margin,) * 4, mode="reflect") if margin else expected
    for grad in (False, True):
        found = norm(x.requires_grad_(grad), structures, slope=slope, margin=margin)
        assert found.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("_bands")
@pytest.mark.parametrize(("slope", "margin"), FINISHES)
def test_gradients_through_norm_slope_and_margin_are_right(slope, margin):
    norm, structures = _norm(), find_structures(_labels(), (8, 9))
    x = _random(2, 3, 8, 9).requires_grad_()

    def call(x, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(norm, parameters, (x, structures), {"slope": slope, "margin": margin})

    assert torch.autograd.gradcheck(call, (x, norm.weight, norm.bias), fast_mode=True)


@pytest.mark.usefixtures("_bands")
@pytest.mark.parametrize("norm", [InstanceNorm(3), _norm()], ids=["instance", "tanq"])
def test_a_map_can_be_added_to_the_result(norm):
    structures = find_structures(_labels(), (8, 9))
    x, added = _random(2, 3, 8, 9).requires_grad_(), _random(2, 3, 8, 9, seed=1).requires_grad_()
    torch.testing.assert_close(norm(x, structures, added=added), norm(x, structures) + added, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda x, added: norm(x, structures, added=added), (x, added), fast_mode=True)


@pytest.mark.usefixtures("_bands")
@pytest.mark.parametrize(("slope", "margin"), FINISHES)
def test_slope_and_margin_can_be_had_alone(slope, margin):
    x = _random(2, 3, 5, 6).requires_grad_()
    expected = F.pad(F.leaky_relu(x, slope), (margin,) * 4, mode="reflect")
    torch.testing.assert_close(rectify(x, slope, margin), expected, rtol=0, atol=0)
    assert torch.autograd.gradcheck(lambda x: rectify(x, slope, margin), (x,), fast_mode=True)


@pytest.mark.usefixtures("_bands")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moments_lose_nothing_beside_a_large_mean(dtype):
    x = (300 + _random(2, 5, 64, 64)).to(dtype)
    mean, variance = take_moments(x)
    assert mean.dtype == variance.dtype == torch.float32
    exact = x.double()
    torch.testing.assert_close(mean.double(), exact.mean(dim=(2, 3)), rtol=1e-6, atol=0)
    torch.testing.assert_close(variance.double(), exact.var(dim=(2, 3), correction=0), rtol=1e-4, atol=0)


def test_bfloat16_maps_are_rounded_once_forward_and_back():
    norm, structures = _norm(torch.float32), find_structures(_labels()[:1].expand(2, 1, 8, 9), (8, 9))
    x = _random(2, 3, 8, 9).bfloat16()
    weight = _random(2, 3, 10, 11, seed=1).bfloat16()
    results = []
    for kind in (torch.bfloat16, torch.float64):
        own = x.to(kind).requires_grad_()
        y = norm.to(torch.promote_types(kind, torch.float32))(own, structures, slope=0.0, margin=1)
        assert y.dtype == kind
        results.append([y, *torch.autograd.grad(y, [own, *norm.parameters()], weight.to(kind))])
    (y, of_x, *of_parameters), (exact_y, exact_of_x, *exact_of_parameters) = results
    assert of_x.dtype == torch.bfloat16
    assert {p.dtype for p in of_parameters} == {torch.float32}
    torch.testing.assert_close(y.double(), exact_y, rtol=2**-8, atol=1e-6)
    torch.testing.assert_close(of_x.double(), exact_of_x, rtol=2**-7, atol=2**-7)
    for found, exact in zip(of_parameters, exact_of_parameters, strict=True):
        torch.testing.assert_close(found.double(), exact, rtol=1e-2, atol=1e-2)


def test_of_the_maps_only_the_input_is_kept():
    norm, structures = InstanceNorm(3), ()
    x, kept = _random(2, 3, 8, 9).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        norm(x, structures, slope=0.0, margin=1)
    maps = [tensor for tensor in kept if tensor.ndim == 4]
    assert [(tensor.shape, tensor.data_ptr()) for tensor in maps] == [(x.shape, x.data_ptr())]
