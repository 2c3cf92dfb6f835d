import pytest
import torch
from torch import nn

from tanq_monai.networks import ExemplarGenerator, StyleEncoder
from tanq_monai.networks.norms import AdaptiveInstanceNorm


def _random(*size, seed=0):
    return torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _generator(looks=None):
    """Of width 4, with weights large enough for codes to show."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ExemplarGenerator(width=4, blocks=1).double()
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    if looks is not None:
        network.looks = looks
    return network.eval()


def test_parameters_are_as_many_as_its_docstring_says():
    network = ExemplarGenerator()
    assert sum(p.numel() for p in network.parameters()) == 2_664_265
    assert sum(p.numel() for p in network.style.parameters()) == 94_984


def test_mean_and_deviation_of_what_is_normalised_are_those_of_the_code():
    norm, x, code = AdaptiveInstanceNorm(3).double(), 7 * _random(2, 3, 16, 20) + 5, _random(2, 8, seed=1)
    y = norm(x, style=code)
    scale, shift = (code @ norm.affine.weight.T + norm.affine.bias).split(3, dim=1)
    torch.testing.assert_close(y.mean((2, 3)), shift, rtol=0, atol=1e-6)
    torch.testing.assert_close(y.std((2, 3), correction=0), (1 + scale).abs(), rtol=1e-6, atol=1e-6)


def test_one_code_may_be_of_all_slices_and_none_is_of_zeros():
    norm, x, code = AdaptiveInstanceNorm(3).double(), _random(2, 3, 8, 8), _random(1, 8, seed=1)
    torch.testing.assert_close(norm(x, style=code), norm(x, style=code.expand(2, 8)), rtol=1e-12, atol=1e-12)
    assert torch.equal(norm(x), norm(x, style=torch.zeros(2, 8, dtype=torch.float64)))


def test_gradients_of_slices_code_and_weights_are_those_of_finite_differences():
    norm = AdaptiveInstanceNorm(2, code=3).double()
    inputs = (_random(2, 2, 4, 4).requires_grad_(), _random(2, 3, seed=1).requires_grad_())
    assert torch.autograd.gradcheck(lambda x, code: norm(x, style=code, slope=0.2, margin=1), inputs)
    norm(inputs[0], style=inputs[1]).square().sum().backward()
    assert norm.affine.weight.grad.abs().min() > 0


def test_output_equals_the_layers_written_out():
    network, x, code = _generator(), _random(2, 1, 16, 16).clamp(-1, 1), _random(2, 8, seed=1)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    own = [(m.weight, m.bias) for m in convolutions if m not in list(network.style)]
    stem, down1, down2, block1, block2, styled1, styled2, up1, up2, head = own
    affines = [m.affine for m in network.modules() if isinstance(m, AdaptiveInstanceNorm)]
    f = nn.functional

    def norm(z):
        return (z - z.mean((2, 3), keepdim=True)) / (z.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()

    def styled(z, affine):
        scale, shift = affine(code)[:, :, None, None].chunk(2, dim=1)
        return norm(z) * (1 + scale) + shift

    def reflected(z, pad, layer):
        return f.conv2d(f.pad(z, (pad,) * 4, mode="reflect"), *layer)

    z = norm(reflected(x, 3, stem)).relu()
    z = norm(f.conv2d(z, *down1, stride=2, padding=1)).relu()
    z = norm(f.conv2d(z, *down2, stride=2, padding=1)).relu()
    z = z + norm(reflected(norm(reflected(z, 1, block1)).relu(), 1, block2))
    content = z
    first, second, third, fourth = affines
    z = z + styled(reflected(styled(reflected(z, 1, styled1), first).relu(), 1, styled2), second)
    z = styled(f.conv_transpose2d(z, *up1, stride=2, padding=1, output_padding=1), third).relu()
    z = styled(f.conv_transpose2d(z, *up2, stride=2, padding=1, output_padding=1), fourth).relu()
    torch.testing.assert_close(network.encode(x), content, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(network.decode(content, code), reflected(z, 3, head).tanh(), rtol=1e-9, atol=1e-9)


def test_a_style_code_equals_the_layers_written_out():
    encoder, x, f = StyleEncoder(width=4).double(), _random(2, 1, 8, 12), nn.functional
    stem, down1, down2, last = ((m.weight, m.bias) for m in encoder if isinstance(m, nn.Conv2d | nn.Linear))
    z = f.conv2d(f.pad(x, (3,) * 4, mode="reflect"), *stem).relu()
    z = f.conv2d(z, *down1, stride=2, padding=1).relu()
    z = f.conv2d(z, *down2, stride=2, padding=1).relu()
    torch.testing.assert_close(encoder(x), f.linear(z.mean((2, 3)), *last), rtol=1e-10, atol=1e-10)


def test_levels_do_not_reach_the_content_but_the_style():
    network, x = _generator(), _random(1, 1, 32, 32).clamp(-1, 1)
    darker = 0.5 * x - 0.25
    assert (network.encode(x) - network.encode(darker)).abs().max() < 1e-2 * network.encode(x).abs().max()
    assert (network.style(x) - network.style(darker)).abs().max() > 0.1 * network.style(x).abs().max()


def test_a_style_is_the_number_of_a_look():
    looks, x = _random(3, 8, seed=1), _random(2, 2, 16, 16)
    network = _generator(looks)
    content = network.encode(x)
    assert torch.equal(network(x, torch.tensor([2, 0])), network.decode(content, looks[[2, 0]]))
    assert torch.equal(network(x, torch.tensor([1])), network.decode(content, looks[[1, 1]]))
    assert torch.equal(network(x), network.decode(content, looks[:1]))
    assert not torch.allclose(network(x, torch.tensor([1])), network(x))
    network.looks = looks[:1]
    assert torch.equal(network(x, torch.tensor([1, 4])), network.decode(content, looks[:1]))


def test_the_label_map_makes_no_difference():
    network, x = _generator(), _random(1, 2, 16, 16)
    assert torch.equal(network(x), network(x[:, :1]))


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 18, 16), (1, 2, 16, 18), (2, 16, 16)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, 1 or 2, H, W\) with H and W multiples of 4"):
        ExemplarGenerator(width=4, blocks=1)(torch.zeros(shape))
