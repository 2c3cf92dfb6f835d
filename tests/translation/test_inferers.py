"""Volumes through a translator, slice by slice."""

import pytest
import torch
from monai.data import MetaTensor
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.networks import CycleGanGenerator, TanqGenerator
from tanq_monai.translation.inferer import SliceTranslator


class Recorder(nn.Module):
    """Negates the image, and remembers what it was called with."""

    def __init__(self):
        super().__init__()
        self.batches, self.styles = [], []

    def forward(self, x, style=None):
        self.batches.append(x)
        self.styles.append(style)
        return -x[:, :1]


def stack(height, width, slices, seed=0):
    """(1, 2, H, W, Z): noise in (-0.9, 0.9), and a VS and a cochlea in every slice."""
    generator = torch.Generator().manual_seed(seed)
    volume = torch.zeros(1, 2, height, width, slices)
    volume[:, 0] = torch.rand((1, height, width, slices), generator=generator) * 1.8 - 0.9
    volume[:, 1, 8:16, 8:16], volume[:, 1, 20:25, 6:12] = 1, 2
    return volume


def tanq(**kwargs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TanqGenerator(width=4, blocks=2, **kwargs).eval()


def slice_by_slice(volume, network):
    """What one slice after the other gives, in float32, for sizes that are multiples of 4."""
    with torch.no_grad():
        return torch.stack([network(volume[..., z]) for z in range(volume.shape[-1])], dim=-1)


@pytest.mark.parametrize("network", [tanq(), CycleGanGenerator(width=4, blocks=2).eval()], ids=["tanq", "cyclegan"])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_batches_give_what_single_slices_give(network, batch_size):
    volume = stack(48, 32, 7)
    with torch.no_grad():
        translated = SliceTranslator(batch_size)(volume, network)
    assert translated.dtype == torch.float32
    assert torch.allclose(translated, slice_by_slice(volume, network), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(61, 50), (50, 61), (32, 33), (35, 64), (64, 36)])
def test_any_size_is_padded_with_blank_pixels_and_cut_back(height, width):
    volume, network = stack(height, width, 3), tanq()
    padded = torch.zeros(1, 2, (height + 3) // 4 * 4, (width + 3) // 4 * 4, 3)
    padded[:, 0] = -1
    padded[:, :, :height, :width] = volume
    with torch.no_grad():
        translated = SliceTranslator(2)(volume, network)
    assert translated.shape == (1, 1, height, width, 3)
    assert torch.allclose(translated, slice_by_slice(padded, network)[:, :, :height, :width], atol=1e-5)


def test_a_translator_pixel_by_pixel_keeps_every_pixel_in_its_place():
    volume = stack(61, 50, 5)
    assert torch.equal(SliceTranslator(2)(volume, Recorder()), -volume[:, :1])


def test_a_single_slice_is_a_volume_too():
    volume, network = stack(40, 28, 1), tanq()
    with torch.no_grad():
        assert torch.allclose(SliceTranslator()(volume, network), slice_by_slice(volume, network), atol=1e-6)


def test_blank_slices_are_not_run_and_stay_blank():
    volume, network = stack(32, 32, 9), Recorder()
    blank = [0, 1, 4, 8]
    volume[:, 0, ..., blank] = -1
    translated = SliceTranslator(2)(volume, network)
    assert [len(batch) for batch in network.batches] == [2, 2, 1]
    assert (translated[..., blank] == -1).all()
    used = [2, 3, 5, 6, 7]
    assert torch.equal(translated[..., used], -volume[:, :1, ..., used])


def test_a_volume_without_signal_costs_nothing():
    volume, network = torch.zeros(1, 2, 32, 32, 4), Recorder()
    volume[:, 0] = -1
    assert (SliceTranslator()(volume, network) == -1).all()
    assert network.batches == []


def test_batches_lie_in_memory_with_the_channels_last():
    network = Recorder()
    SliceTranslator(2)(stack(32, 36, 3), network)
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch in network.batches)


def test_the_style_reaches_the_network_however_it_is_passed():
    network, style = Recorder(), torch.tensor([1])
    SliceTranslator(2)(stack(32, 32, 3), network, style)
    SliceTranslator(8)(stack(32, 32, 3), network, style=style)
    assert all(given is style for given in network.styles)
    assert len(network.styles) == 3


def test_styles_give_different_translations():
    network, volume = tanq(num_styles=2), stack(32, 32, 2)
    with torch.no_grad():
        network.up2_norm.bias[1] += 1
        plain, other = (SliceTranslator()(volume, network, torch.tensor([n])) for n in (0, 1))
        default = SliceTranslator()(volume, network)
    assert torch.equal(plain, default)
    assert (plain - other).abs().max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_the_type_of_the_stack_is_that_of_the_translation(dtype):
    volume = stack(32, 32, 2).to(dtype)
    translated = SliceTranslator()(volume, Recorder())
    assert translated.dtype == dtype
    assert torch.equal(translated, -volume[:, :1])


def test_the_affine_of_a_scan_stays_with_its_translation():
    affine = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))
    translated = SliceTranslator()(MetaTensor(stack(32, 32, 2), affine=affine), Recorder())
    assert isinstance(translated, MetaTensor)
    assert torch.equal(translated.affine.float(), affine)


def test_under_autocast_the_network_computes_in_bfloat16_and_the_translation_is_float32():
    volume, network, seen = stack(32, 32, 2), tanq(), []
    network.down1.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        translated = SliceTranslator()(volume, network)
    assert seen == [torch.bfloat16]
    assert translated.dtype == torch.float32
    assert torch.allclose(translated, slice_by_slice(volume, network), atol=0.05)


def test_the_seg_decoder_rests():
    network, calls = tanq(), []
    network.seg_decoder.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        SliceTranslator(2)(stack(32, 32, 5), network)
    assert calls == []


def sees_bright_pixels(network):
    """A SegDecoder in its place that takes what is bright in the quarter-size features' first channel for VS."""

    class Threshold(nn.Module):
        def forward(self, hidden):
            bright = nn.functional.interpolate(hidden[:, :1], scale_factor=4)
            return torch.cat([torch.zeros_like(bright), bright, torch.full_like(bright, -1.0)], dim=1)

    network.seg_decoder = Threshold()
    return network


def test_label_free_equals_two_passes_written_out():
    volume, network = stack(32, 48, 3), sees_bright_pixels(tanq())
    unlabelled = volume.clone()
    unlabelled[:, 1] = 0
    expected = []
    with torch.no_grad():
        for z in range(3):
            slices = unlabelled[..., z]
            logits = network.train()(slices).logits
            own = logits.argmax(dim=1, keepdim=True).float()
            assert 0.05 < own.mean() < 0.95
            expected.append(network.eval()(torch.cat([slices[:, :1], own], dim=1)))
        translated = SliceTranslator(2, label_free=True)(volume, network)
        by_label = SliceTranslator(2)(volume, network)
    assert torch.allclose(translated, torch.stack(expected, dim=-1), atol=1e-5)
    assert (translated - by_label).abs().max() > 1e-4


def test_label_free_pays_no_regard_to_the_label():
    volume, network = stack(32, 32, 2), sees_bright_pixels(tanq())
    other = volume.clone()
    other[:, 1] = 2 - other[:, 1]
    with torch.no_grad():
        assert torch.equal(*(SliceTranslator(label_free=True)(v, network) for v in (volume, other)))


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        (CycleGanGenerator(width=4, blocks=2), "CycleGanGenerator predicts no structures"),
        (tanq(seg_decoder=False), "this network has no SegDecoder"),
    ],
    ids=["cyclegan", "tanq without SegDecoder"],
)
def test_label_free_needs_a_seg_decoder(network, problem):
    with pytest.raises(InputError, match=rf"^label_free: {problem}; choose a TANQ translator"):
        SliceTranslator(label_free=True)(stack(32, 32, 1), network.eval())
