import pytest
import torch
from golden import fill, slice_64, std
from torch import nn

from tanq_monai.networks import PatchDiscriminator
from tanq_monai.networks.norms import InstanceNorm


@pytest.mark.parametrize("antialiased", [True, False])
def test_parameters_are_as_many_as_published(antialiased):
    assert sum(p.numel() for p in PatchDiscriminator(antialiased=antialiased).parameters()) == 2_762_689


def test_antialiased_discriminator_has_the_golden_output():
    network = PatchDiscriminator()
    fill(network)
    with torch.no_grad():
        out = network.double()(slice_64())
    assert out.shape == (1, 1, 6, 6)
    expected = (0.0413738324, 0.3436183718, 0.5617805747)
    assert (out.mean().item(), std(out), out[0, 0, 0, 0].item()) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("antialiased", [True, False])
def test_a_slice_of_256_pixels_has_30_by_30_scores(antialiased):
    with torch.no_grad():
        scores = PatchDiscriminator(width=1, antialiased=antialiased)(torch.zeros(2, 1, 256, 256))
    assert scores.shape == (2, 1, 30, 30)


def test_a_score_of_the_strided_discriminator_sees_70_by_70_pixels():
    network = PatchDiscriminator(width=2, antialiased=False)
    for number, layer in enumerate(network):
        if isinstance(layer, InstanceNorm):
            network[number] = nn.Identity()  # it would see the whole slice
        elif isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 0.1)
    x = torch.zeros(1, 1, 128, 128, requires_grad=True)
    network(x)[0, 0, 7, 7].backward()
    rows, columns = x.grad[0, 0].nonzero(as_tuple=True)
    assert int(rows.max() - rows.min()) + 1 == int(columns.max() - columns.min()) + 1 == 70
