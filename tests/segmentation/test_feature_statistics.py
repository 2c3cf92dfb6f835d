"""Channels of the first stages get drawn means and deviations while a network is trained, and at no other time."""

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.engine import plain_state
from tanq_monai.segmentation.training.feature_statistics import RandomStatistics, draw_statistics, with_statistics

SHAPES = [(3, 4, 8, 6), (3, 4, 5, 8, 6)]


def features(*shape: int) -> torch.Tensor:
    return 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def u_net() -> PlainConvUNet:
    torch.manual_seed(0)
    norm = {"norm_op": nn.InstanceNorm2d, "norm_op_kwargs": {"affine": True}}
    rest = {"nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}, "deep_supervision": True}
    return PlainConvUNet(1, 4, (4, 8, 8, 8), nn.Conv2d, 3, (1, 2, 2, 2), 2, 3, 2, True, **norm, **rest)


def drawn(share: float, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return RandomStatistics(share)(nn.Identity().train(), (), x)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_channel_has_the_mean_and_the_deviation_that_it_is_given_and_its_old_pattern(shape) -> None:
    x, axes = features(*shape).double(), tuple(range(2, len(shape)))
    mean, deviation = (torch.rand(shape[:2], generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    changed = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4])
    given = [one.view(*shape[:2], *(1 for _ in axes)) for one in (mean, deviation, changed)]
    y = with_statistics(x, *given)
    expected = x.clone()
    for sample, channel in changed.nonzero().tolist():
        one = x[sample, channel]
        pattern = (one - one.mean()) / one.std(correction=0)
        expected[sample, channel] = pattern * deviation[sample, channel] + mean[sample, channel]
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(y[~changed], x[~changed])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_takes_mean_and_deviation_as_given(shape) -> None:
    x = features(*shape).requires_grad_()
    ones = torch.ones(*shape[:2], *(1 for _ in shape[2:]))
    (gradient,) = torch.autograd.grad(with_statistics(x, 0 * ones, 0.5 * ones, ones > 0).sum(), x)
    deviation = x.detach().flatten(2).std(dim=2, correction=0).view_as(ones)
    torch.testing.assert_close(gradient, (0.5 / deviation).expand(shape), rtol=1e-4, atol=0)


def test_a_flat_channel_becomes_its_new_mean() -> None:
    ones = torch.ones(1, 1, 1, 1)
    y = with_statistics(torch.full((1, 1, 4, 4), 7.0), 0.25 * ones, ones, ones > 0)
    torch.testing.assert_close(y, torch.full((1, 1, 4, 4), 0.25))


def test_half_of_the_channels_of_a_share_of_the_samples_change_to_uniform_draws() -> None:
    x = features(400, 50, 4, 4)
    y = drawn(0.3, x)
    changed = (x != y).flatten(2).any(dim=2)
    samples = changed.any(dim=1)
    assert samples.float().mean() == pytest.approx(0.3, abs=0.07)  # three standard errors
    assert changed[samples].float().mean() == pytest.approx(0.5, abs=0.03)
    assert changed[samples].float().sum(dim=1).std() == pytest.approx(0.5 * 50**0.5, abs=0.75)  # by coins of their own
    quantiles = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    found = y[changed].flatten(1)
    mean, deviation = found.mean(dim=1), found.std(dim=1, correction=0)
    for values in (mean, deviation):
        torch.testing.assert_close(values.quantile(quantiles), quantiles, rtol=0, atol=0.04)
    assert abs(torch.corrcoef(torch.stack([mean, deviation]))[0, 1]) < 0.06


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_or_all_of_the_samples_change(share) -> None:
    x = features(20, 50, 4, 4)
    assert ((x != drawn(share, x)).flatten(1).any(dim=1) == bool(share)).all()


def test_draws_are_those_of_torchs_global_generator() -> None:
    x = features(4, 8, 4, 4)
    assert torch.equal(drawn(0.5, x, seed=1), drawn(0.5, x, seed=1))
    assert not torch.equal(drawn(0.5, x, seed=1), drawn(0.5, x, seed=2))


def test_short_floats_and_the_order_of_axes_stay_and_statistics_are_float32() -> None:
    x = (features(2, 8, 16, 16) + 300).to(torch.bfloat16)  # where bfloat16 knows whole numbers only, by twos
    x = x.to(memory_format=torch.channels_last)
    y = drawn(1.0, x)
    assert y.dtype == torch.bfloat16 and y.stride() == x.stride()
    torch.testing.assert_close(y.float(), drawn(1.0, x.float()), rtol=2**-8, atol=0)


def test_the_first_two_stages_hand_them_on_in_training_alone() -> None:
    image, network = torch.randn(6, 1, 32, 32, generator=torch.Generator().manual_seed(0)), u_net()
    with torch.no_grad():
        plain = network.eval()(image)
        draw_statistics(network, 1.0)
        assert all(torch.equal(one, other) for one, other in zip(network(image), plain, strict=True))
        skips = network.train().encoder(image)
        without_draws = [
            nn.Sequential(*stage)(given) for stage, given in zip(network.encoder.stages, [image, *skips], strict=False)
        ]
    same = [torch.equal(skip, other) for skip, other in zip(skips, without_draws, strict=True)]
    assert same == [False, False, True, True]


def test_weights_keep_their_names_and_values_and_0_changes_nothing_at_all() -> None:
    plain, changed, off = u_net(), u_net(), u_net()
    draw_statistics(changed, 0.5)
    draw_statistics(off, 0)
    written, expected = plain_state(changed), plain_state(plain)
    assert list(written) == list(expected)
    assert all(torch.equal(written[name], value) for name, value in expected.items())
    assert not any(module._forward_hooks for module in off.modules())


def test_a_network_without_stages_is_told() -> None:
    with pytest.raises(InputError, match=r"^feature_statistics: Conv2d has no encoder with stages; choose 0"):
        draw_statistics(nn.Conv2d(1, 1, 1), 0.5)
