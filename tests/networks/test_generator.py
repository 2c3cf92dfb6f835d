import pytest
import torch
from golden import fill, slice_64, std

from tanq_monai.networks import TanqGenerator
from tanq_monai.networks.generator import empty_label
from tanq_monai.networks.norms import RegionNorm
from tanq_monai.networks.seg_decoder import SegDecoder


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def _slices(batch=2, size=32, structures=True):
    """(B, 2, H, W), with VS and cochlea in every sample."""
    image = torch.rand(batch, 1, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    slices = empty_label(image)
    if structures:
        slices[:, 1, 4:16, 4:16] = 1
        slices[:, 1, 16:28, 12:28] = 2
    return slices


def _small(**choices):
    """A small generator whose output depends on all that goes in: with its own weights it hardly does."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TanqGenerator(width=4, blocks=2, **choices)
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return network


@pytest.fixture(scope="module")
def published():
    """The generator at its published size."""
    return TanqGenerator()


@pytest.fixture(scope="module", params=[6, 9])
def golden_trunk(request):
    """The antialiased instance-norm trunk with the weights of the golden numbers, and its number of blocks."""
    network = TanqGenerator(blocks=request.param, normalization="instance")
    fill(network)
    return network.double().eval(), request.param


def test_parameters_are_as_many_as_published(published):
    norms = [m for m in published.modules() if isinstance(m, RegionNorm)]
    encoder = sum(_count(m) for m in norms if m.weight.shape[1] == 2)
    decoder = sum(_count(m) for m in norms if m.weight.shape[1] == 3)
    assert _count(published) == 8_218_628
    assert _count(published.seg_decoder) == _count(SegDecoder()) == 378_243
    assert (encoder, decoder) == (14_080, 1_152)
    assert _count(published) - 378_243 - 14_080 - 1_152 == 7_825_153


@pytest.mark.parametrize(("normalization", "parameters"), [("instance", 7_825_153), ("tanq", 7_840_385)])
def test_without_seg_decoder_only_trunk_and_norms_are_left(normalization, parameters):
    network = TanqGenerator(normalization=normalization, seg_decoder=False)
    assert _count(network) == parameters


def test_trunk_has_the_golden_output(golden_trunk):
    network, blocks = golden_trunk
    with torch.no_grad():
        out = network(empty_label(slice_64()))
    expected = {
        6: (-0.0824545318, 0.2507079835, -0.2161628261, -0.1732027939),
        9: (-0.0520559819, 0.2783933643, 0.4671038410, 0.1151315998),
    }[blocks]
    values = (out.mean().item(), std(out), out[0, 0, 0, 0].item(), out[0, 0, 10, 20].item())
    assert values == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("golden_trunk", [9], indirect=True)
def test_taps_have_the_golden_values(golden_trunk):
    network, _ = golden_trunk
    with torch.no_grad():
        taps = network.encode(empty_label(slice_64()))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (1, 70, 70), (128, 64, 64), (256, 32, 32), (256, 16, 16), (256, 16, 16)
    ]  # fmt: skip
    assert (taps[0].mean().item(), std(taps[0])) == pytest.approx((0.0673782459, 0.5165181826), abs=1e-8)
    assert (std(taps[1]), taps[1].flatten()[0].item()) == pytest.approx((1.2083681463, -0.9894588375), abs=1e-8)
    assert (std(taps[2]), taps[2].flatten()[0].item()) == pytest.approx((5.5504171510, 14.8599986712), abs=1e-8)
    assert (taps[3].mean().item(), std(taps[3])) == pytest.approx((0.2970158106, 1.0835465137), abs=1e-8)
    assert std(taps[4]) == pytest.approx(0.5202643804, abs=1e-8)


@pytest.mark.parametrize("normalization", ["tanq", "region"])
def test_with_an_empty_label_map_it_is_the_instance_norm_generator(normalization):
    network, twin = _small(normalization=normalization).eval(), _small(normalization="instance").eval()
    for norm in (m for m in network.modules() if isinstance(m, RegionNorm)):
        norm.weight.data.fill_(1.0)
        norm.bias.data.zero_()
    missing, _ = twin.load_state_dict(network.state_dict(), strict=False)
    assert missing == []
    slices = _slices(structures=False)
    with torch.no_grad():
        torch.testing.assert_close(network(slices), twin(slices), rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [1, 2])
def test_label_map_changes_the_translation(value):
    network, slices = _small().eval(), _slices(structures=False)
    labelled = slices.clone()
    labelled[:, 1, 8:24, 8:24] = value
    with torch.no_grad():
        assert (network(labelled) - network(slices)).abs().max() > 0.01


def test_encoder_counts_vs_as_background():
    network, slices = _small(), _slices(structures=False)
    labelled = slices.clone()
    labelled[:, 1, 8:24, 8:24] = 1
    for with_vs, without in zip(network.encode(labelled), network.encode(slices), strict=True):
        torch.testing.assert_close(with_vs, without, rtol=0, atol=0)


@pytest.mark.parametrize("normalization", ["tanq", "region", "instance"])
def test_training_pass_gives_the_image_of_eval_mode_and_more(normalization):
    network, slices = _small(normalization=normalization), _slices()
    translation = network.train()(slices)
    torch.testing.assert_close(translation.image, network.eval()(slices))
    assert translation.logits.shape == (2, 3, 32, 32)
    assert translation.image.abs().max() <= 1


def test_only_the_adaptive_norm_distinguishes_tanq_from_region():
    networks = [_small(normalization=normalization) for normalization in ("tanq", "region")]
    networks[1].load_state_dict(networks[0].state_dict())
    images = [network.eval()(_slices()) for network in networks]
    assert (images[0] - images[1]).abs().max() > 0.01


def test_encode_gives_the_features_of_the_training_pass():
    network = TanqGenerator(width=4, blocks=6)
    features = network.train()(_slices()).features
    again = network.encode(_slices())
    assert network.feature_channels == tuple(f.shape[1] for f in again) == (1, 8, 16, 16, 16)
    assert [f.shape[2] for f in again] == [38, 32, 16, 8, 8]
    for one, other in zip(features, again, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_seg_decoder_runs_once_in_training_and_never_otherwise():
    network, calls = _small(), []
    network.seg_decoder.register_forward_hook(lambda *_: calls.append(1))
    network.eval()(_slices())
    network.encode(_slices())
    assert len(calls) == 0
    network.train()(_slices())
    assert len(calls) == 1


def test_without_seg_decoder_the_training_pass_has_no_logits_and_the_same_image():
    network, without = _small(), _small(seg_decoder=False)
    without.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("seg_decoder")})
    translation = without.train()(_slices())
    assert translation.logits is None
    torch.testing.assert_close(translation.image, network.train()(_slices()).image, rtol=0, atol=0)
    torch.testing.assert_close(without.eval()(_slices()), network.eval()(_slices()), rtol=0, atol=0)


def test_seg_decoder_has_as_many_classes_as_wanted():
    network = TanqGenerator(width=4, blocks=2, norms=["surroundings", "own", "own", "own"]).train()
    assert network(_slices()).logits.shape == (2, 5, 32, 32)


def test_samples_of_a_batch_do_not_influence_each_other():
    network, slices = _small().double().eval(), _slices().double()
    torch.testing.assert_close(network(slices)[1:], network(slices[1:]), rtol=1e-9, atol=1e-9)


def test_every_parameter_learns_where_both_structures_are_there():
    network = _small().train()
    translation = network(_slices())
    (translation.image.square().sum() + translation.logits.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if "norm" in name:
            assert (parameter.grad.abs().amax(dim=1) > 0).all(), name


def test_autocast_to_bfloat16_changes_little():
    network, slices = _small().eval(), _slices()
    with torch.no_grad():
        exact = network(slices)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = network(slices)
    assert (exact - rounded.float()).abs().mean() < 0.02


@pytest.mark.parametrize("shape", [(1, 1, 32, 32), (2, 32, 32), (1, 2, 30, 32), (1, 2, 32, 33)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, 2, H, W\) with H and W multiples of 4, got"):
        _small()(torch.zeros(shape))


def test_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match=r'normalization must be "tanq", "region" or "instance", got \'batch\''):
        TanqGenerator(width=4, blocks=2, normalization="batch")


def test_fewer_than_two_blocks_are_refused():
    with pytest.raises(ValueError, match="blocks must be at least 2, got 1"):
        TanqGenerator(width=4, blocks=1)


def test_weights_start_xavier_normal_with_gain_002(published):
    weight = published.blocks[3].conv1.weight
    fan = 2 * 256 * 9
    assert weight.std().item() == pytest.approx(0.02 * (2 / fan) ** 0.5, rel=0.02)
    assert all(m.bias.abs().max() == 0 for m in published.modules() if isinstance(m, torch.nn.Conv2d))
