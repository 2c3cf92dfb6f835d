import pytest
import torch
from torch import nn

from tanq_monai.networks import CycleGanGenerator


def test_parameters_are_as_many_as_published():
    assert sum(p.numel() for p in CycleGanGenerator().parameters()) == 11_365_633


def test_output_has_the_shape_of_the_input_and_stays_in_range():
    with torch.no_grad():
        image = CycleGanGenerator(width=4, blocks=2)(torch.randn(2, 1, 32, 40))
    assert image.shape == (2, 1, 32, 40)
    assert image.abs().max() <= 1


def test_output_equals_the_layers_written_out():
    network = CycleGanGenerator(width=4, blocks=1).double().eval()
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    stem, down1, down2, block1, block2, up1, up2, head = [(m.weight, m.bias) for m in convolutions]
    f = nn.functional

    def norm(z):
        return (z - z.mean((2, 3), keepdim=True)) / (z.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()

    def reflected(z, pad, layer):
        return f.conv2d(f.pad(z, (pad,) * 4, mode="reflect"), *layer)

    z = norm(reflected(x, 3, stem)).relu()
    z = norm(f.conv2d(z, *down1, stride=2, padding=1)).relu()
    z = norm(f.conv2d(z, *down2, stride=2, padding=1)).relu()
    z = z + norm(reflected(norm(reflected(z, 1, block1)).relu(), 1, block2))
    z = norm(f.conv_transpose2d(z, *up1, stride=2, padding=1, output_padding=1)).relu()
    z = norm(f.conv_transpose2d(z, *up2, stride=2, padding=1, output_padding=1)).relu()
    torch.testing.assert_close(network(x), reflected(z, 3, head).tanh(), rtol=1e-10, atol=1e-10)


def test_weights_start_normal_with_standard_deviation_002():
    network = CycleGanGenerator(width=32, blocks=1)
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)


def test_label_map_and_style_make_no_difference():
    network, generator = CycleGanGenerator(width=4, blocks=1), torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 16, 16, generator=generator) * 2 - 1
    labels = torch.randint(3, (2, 1, 16, 16), generator=generator).float()
    with torch.no_grad():
        expected = network(image)
        assert torch.equal(network(torch.cat([image, labels], dim=1), torch.tensor([1, 0])), expected)
        assert torch.equal(network.eval()(torch.cat([image, 0 * labels], dim=1)), expected)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 1, 18, 16), (1, 2, 16, 18), (2, 16, 16)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, 1 or 2, H, W\) with H and W multiples of 4"):
        CycleGanGenerator(width=4, blocks=1)(torch.zeros(shape))
