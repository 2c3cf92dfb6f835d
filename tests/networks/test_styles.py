"""Every slice goes by the style that it is told, and by its own structures where it may not look at a label."""

import copy

import torch
from torch import Tensor

from tanq_monai.networks import PatchDiscriminator, RegionAdaptiveNorm, RegionNorm, TanqGenerator
from tanq_monai.networks.generator import empty_label
from tanq_monai.networks.norms import find_structures

STYLE = torch.tensor([2, 0, 1])


def labelled(size: int = 32) -> Tensor:
    """Slices (3, 2, H, W) of noise in [-1, 1], each with a VS and a cochlea."""
    images = torch.rand(3, 1, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.zeros_like(images)
    labels[:, :, 4:16, 4:14], labels[:, :, 18:28, 12:24] = 1, 2
    return torch.cat([images, labels], dim=1)


def lively(network: torch.nn.Module) -> torch.nn.Module:
    """With random weights and affines, in eval mode."""
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def test_every_sample_has_the_affine_of_its_style() -> None:
    slices = labelled()
    features = torch.randn(3, 5, 32, 32, generator=torch.Generator().manual_seed(2))
    structures = find_structures(slices[:, 1:], (32, 32))
    for norm in (RegionNorm(5, num_structures=2, num_styles=3), RegionAdaptiveNorm(5, num_styles=3)):
        lively(norm)
        found = norm(features, structures, STYLE)
        for sample, style in enumerate(STYLE.tolist()):
            own = copy.deepcopy(norm)
            own.weight, own.bias = (torch.nn.Parameter(p.data[style : style + 1]) for p in (norm.weight, norm.bias))
            alone = find_structures(slices[sample : sample + 1, 1:], (32, 32))
            expected = own(features[sample : sample + 1], alone)
            torch.testing.assert_close(found[sample : sample + 1], expected, rtol=0, atol=1e-5)
            gamma, beta = own.weight[0, 0, :, None], own.bias[0, 0, :, None]
            rest = features[sample][:, slices[sample, 1] == 0]
            by_hand = (rest - rest.mean(dim=1, keepdim=True)) / rest.std(dim=1, correction=0, keepdim=True)
            others = found[sample][:, slices[sample, 1] == 0]
            torch.testing.assert_close(others, gamma * by_hand + beta, rtol=0, atol=1e-4)


def test_a_generator_translates_every_slice_to_its_style() -> None:
    generator, slices = lively(TanqGenerator(width=4, blocks=2, num_styles=3)), labelled()
    with torch.no_grad():
        found = generator(slices, STYLE)
        alone = [generator(s[None], n[None]) for s, n in zip(slices, STYLE, strict=True)]
        first = generator(slices)
    torch.testing.assert_close(found, torch.cat(alone), rtol=0, atol=1e-4)
    torch.testing.assert_close(found[1], first[1], rtol=0, atol=1e-4)
    assert (found - first).abs().amax(dim=(1, 2, 3))[[0, 2]].min() > 0.01


def test_a_discriminator_judges_every_slice_by_the_map_of_its_style() -> None:
    discriminator, images = lively(PatchDiscriminator(width=4, num_styles=3)), labelled()[:, :1]
    with torch.no_grad():
        found = discriminator(images, STYLE)
        for sample, style in enumerate(STYLE.tolist()):
            one = PatchDiscriminator(width=4).eval()
            weights = discriminator.state_dict()
            last = list(weights)[-2:]
            one.load_state_dict(weights | {name: weights[name][style : style + 1] for name in last})
            torch.testing.assert_close(found[sample], one(images)[sample], rtol=0, atol=1e-5)
    assert (found[0] - discriminator(images)[0]).abs().max() > 0.01


def test_structures_are_predicted_from_the_image_alone() -> None:
    generator, slices = lively(TanqGenerator(width=4, blocks=2)), labelled()
    with torch.no_grad():
        found = generator.predict_structures(slices)
        logits = generator.train()(empty_label(slices[:, :1])).logits
        generator.eval()
        other = generator.predict_structures(torch.cat([slices[:, :1], 2 - slices[:, 1:]], dim=1))
        seen = generator.train()(slices).logits.argmax(dim=1, keepdim=True)
    assert torch.equal(found, logits.argmax(dim=1, keepdim=True).float())
    assert torch.equal(found, other)
    assert not torch.equal(found, seen.float())  # the label would have changed them
