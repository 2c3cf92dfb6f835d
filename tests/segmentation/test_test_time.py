"""A scan adapts by itself, and its label without adaptation stays where that with it is no better founded."""

import json
import logging
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import workflow
from monai.data import MetaTensor
from slice_segmenter import slice_segmenter
from torch import nn

from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.segmentation.inference.inferer import PlanInferer
from tanq_monai.segmentation.inference.test_time.choice import engine_for, inferer_for
from tanq_monai.segmentation.inference.test_time.inferer import Adapted, AdaptingInferer
from tanq_monai.segmentation.inference.test_time.prompt import prompt_shape, prompted
from tanq_monai.segmentation.inference.test_time.source_statistics import (
    Moments,
    SourceStatistics,
    measure,
    middle_windows,
    read_statistics,
    spread_slices,
    write_statistics,
)
from tanq_monai.segmentation.inference.test_time.vptta import Vptta
from tanq_monai.structures import STRUCTURES

WINDOW = (16, 16)


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [
            nn.Conv2d(1, 3, 3, padding=1),
            nn.InstanceNorm2d(3),
            nn.ReLU(),
            nn.Conv2d(3, 2, 3),
            nn.InstanceNorm2d(2),
        ]
        return nn.Sequential(*layers, nn.Upsample(WINDOW))


# --- prompt ---


@pytest.mark.parametrize("shape", [(20, 30), (21, 33)])
def test_a_prompt_of_1_leaves_every_bit(shape):
    slices = rand(2, 1, 3, *shape)
    assert torch.equal(prompted(slices, torch.ones(3, 3)), slices)


@pytest.mark.parametrize("shape", [(20, 31), (21, 30)])
def test_a_prompt_multiplies_the_lowest_amplitudes_of_the_shifted_spectrum_and_leaves_phases(shape):
    image, prompt = rand(*shape, seed=1).double(), 0.5 + rand(3, 5, seed=2).double()
    shifted = np.fft.fftshift(np.fft.fft2(image.numpy()))
    amplitude, phase = np.abs(shifted), np.angle(shifted)
    row, column = shape[0] // 2, shape[1] // 2  # of the mean level
    amplitude[row - 1 : row + 2, column - 2 : column + 3] *= prompt.numpy()
    expected = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * phase))).real
    np.testing.assert_allclose(prompted(image, prompt).numpy(), expected, atol=1e-12)


def test_a_prompt_has_a_hundredth_of_the_side_down_to_an_odd_number_and_3_at_least():
    assert prompt_shape((512, 399)) == (5, 3)
    assert prompt_shape((160, 620)) == (3, 7)
    assert prompt_shape((2, 1)) == (1, 1)


# --- statistics ---


def test_statistics_equal_those_computed_by_hand():
    net, volumes = network(), [rand(1, 1, 10, 20, 18), rand(1, 1, 3, 16, 16, seed=1)]
    conv, later = net[0], net[3]
    first, second = [], []
    for volume, slices in ((volumes[0], [0, 1, 3, 4, 5, 6, 8, 9]), (volumes[1], [0, 1, 2])):
        top, left = (volume.shape[3] - 16) // 2, (volume.shape[4] - 16) // 2
        for number in slices:
            window = volume[:, :, number, top : top + 16, left : left + 16]
            x = conv(window).detach().numpy().astype(float)[0]
            mean, variance = x.mean((1, 2)), x.var((1, 2))
            first.append((mean, np.sqrt(variance + 1e-5)))
            y = np.maximum((x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None], 0)
            z = later(torch.from_numpy(y[None]).float()).detach().numpy()[0]
            second.append((z.mean((1, 2)), np.sqrt(z.var((1, 2)) + 1e-5)))
    found = measure(net, volumes, WINDOW)
    assert found.windows == 11
    for layer, by_hand in zip(found.layers, (first, second), strict=True):
        np.testing.assert_allclose(layer.mean, np.mean([mean for mean, _ in by_hand], axis=0), atol=1e-5)
        np.testing.assert_allclose(layer.deviation, np.mean([dev for _, dev in by_hand], axis=0), atol=1e-5)


def test_the_distance_is_the_mean_over_layers_of_mean_absolute_differences():
    own = SourceStatistics((Moments(torch.tensor([1.0, 2]), torch.tensor([1.0, 1])), Moments(*torch.zeros(2, 1))), 1)
    seen = [Moments(torch.tensor([[2.0, 2], [1, 5]]), torch.tensor([[1.0, 3], [1, 1]])), Moments(*torch.ones(2, 2, 1))]
    assert own.distance(seen).item() == pytest.approx(((1 + 0 + 0 + 3) / 4 + 2 / 4 + 1 + 1) / 2)
    with pytest.raises(InputError, match=r"is of another network than the weights beside it; make it by"):
        own.distance(seen[:1])


def test_slices_are_spread_evenly_and_windows_lie_in_their_middle():
    volume = torch.arange(16.0)[:, None, None].expand(16, 20, 18)[None, None]
    assert spread_slices(volume)[0, 0, :, 0, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    image = rand(1, 1, 2, 20, 12)
    windows = middle_windows(image, WINDOW)
    assert windows.shape == (2, 1, 16, 16)
    assert torch.equal(windows[:, 0, :, 2:14], image[0, 0, :, 2:18])  # and zeros where the slice ends
    assert not windows[..., :2].any() and not windows[..., 14:].any()


@pytest.fixture
def model(tmp_path):
    """A folder with weights, and the statistics of some noise."""
    folder = slice_segmenter(tmp_path / "model")
    write_statistics(statistics_of(folder), folder)
    return folder


def statistics_of(folder):
    from tanq_monai.segmentation.plan.plans import network_from_plans
    from tanq_monai.weights import load_weights

    net = load_weights(network_from_plans(folder / "plans.json", folder / "dataset.json"), folder / "model.pt")
    return measure(net, [rand(1, 1, 4, 40, 40)], (32, 32))


def test_what_is_read_is_what_was_written_to_four_digits(model):
    expected, found = statistics_of(model), read_statistics(model)
    assert found.windows == expected.windows == 4
    for one, other in zip(found.layers, expected.layers, strict=True):
        torch.testing.assert_close(one.mean, other.mean.float(), rtol=6e-4, atol=0)
        torch.testing.assert_close(one.deviation, other.deviation.float(), rtol=6e-4, atol=0)


def test_statistics_that_are_missing_damaged_or_of_other_weights_are_told(model):
    file = model / "source_statistics.json"
    content = json.loads(file.read_text())
    for change in ({"layers": [[[1, 2], [1]]]}, {"layers": []}, {"layers": [[["a"], [1]]]}, {"windows": None}):
        file.write_text(json.dumps(content | change))
        with pytest.raises(InputError, match=r"json: holds no statistics of features .*; make it by scripts/source"):
            read_statistics(model)
    file.write_text(json.dumps(content | {"weights": "0" * 64}))
    with pytest.raises(InputError, match=r"json: is of other weights than the model\.pt beside it; make it by"):
        read_statistics(model)
    file.unlink()
    with pytest.raises(InputError, match=r"json: is missing, which test_time vptta compares a scan with; make it by"):
        read_statistics(model)


# --- VPTTA ---


def shaded(volume):
    """Brighter from one side to the other by one wave of the lowest frequency."""
    wave = torch.cos(2 * torch.pi * torch.arange(volume.shape[-1]) / volume.shape[-1])
    return volume + wave


def test_the_loss_falls_on_a_scan_with_changed_contrast_and_its_shading_becomes_less():
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.InstanceNorm2d(1))
    nn.init.ones_(net[0].weight)  # so that features are the image
    scan = rand(1, 1, 8, 16, 16)
    source = measure(net, [scan], WINDOW)
    volume = shaded(scan)
    adapted = Vptta(source)(volume, net, WINDOW)
    assert adapted.doubt == ""
    assert adapted.network is net

    def distance(x):
        return source.distance(_moments(x)).item()

    assert distance(adapted.volume) < 0.8 * distance(volume)
    wave = [torch.fft.fft2(x)[..., 0, 1].abs() for x in (volume, adapted.volume)]
    # Eight steps of at most .05.
    assert ((wave[1] / wave[0]) > 0.6 - 1e-4).all() and ((wave[1] / wave[0]) < 0.7).all()


def _moments(volume):
    """Of the one layer, whose features are the image."""
    windows = middle_windows(spread_slices(volume), WINDOW)[:, 0]
    return [Moments(windows.mean((1, 2))[:, None], (windows.var((1, 2), correction=0) + 1e-5).sqrt()[:, None])]


def test_a_scan_like_those_of_the_training_is_doubted_for_its_loss_cannot_fall():
    net, scan = network(), rand(1, 1, 1, 16, 16)
    adapted = Vptta(measure(net, [scan], WINDOW))(scan, net, WINDOW)
    assert adapted.doubt.startswith("the loss did not fall (0.0000 to 0.0")


def test_neither_network_nor_scan_are_changed_and_no_scan_depends_on_those_before():
    net, scan, other = network(), shaded(rand(1, 1, 5, 18, 20)), shaded(rand(1, 1, 5, 18, 20, seed=3))
    weights, copy = [value.clone() for value in net.state_dict().values()], scan.clone()
    method = Vptta(measure(net, [rand(1, 1, 5, 18, 20, seed=1)], WINDOW))
    with torch.no_grad():
        first = method(scan, net, WINDOW).volume
        method(other, net, WINDOW)
        again = method(scan, net, WINDOW).volume
    assert torch.equal(first, again)
    assert not torch.equal(first, scan)
    assert torch.equal(scan, copy)
    assert all(torch.equal(a, b) for a, b in zip(weights, net.state_dict().values(), strict=True))
    assert all(weight.grad is None for weight in net.parameters())


# --- what is kept ---

AFFINE = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])  # z, y, x of 1 mm
RIGHT, LEFT, VS = (2, (15, 50, 25), 4), (2, (15, 50, 94), 4), (1, (15, 55, 40), 9)


def drawn(*boxes):
    """A scan whose voxels say their label: each box (value, center, edge) is a cube."""
    volume = torch.zeros(1, 30, 100, 120)
    for value, center, edge in boxes:
        volume[(0, *(slice(c - edge // 2, c - edge // 2 + edge) for c in center))] = value
    meta = {"filename_or_obj": "folder/a_hrT2.nii.gz"}
    return MetaTensor(volume, affine=torch.from_numpy(AFFINE), meta=meta)[None]


def read_labels(x):
    """A network whose logits are highest for the label that a voxel says."""
    return torch.cat([-(x - value).abs() for value in range(3)], dim=1)


def labelled(scan, adapted, doubt=""):
    """Labels (z, y, x) of a scan by a method that makes another one of it."""

    def method(volume, network, window):
        assert volume.shape == (1, 1, 30, 100, 120) and window == (120, 120)
        return Adapted(adapted.as_tensor(), network, doubt)

    return AdaptingInferer(method, STRUCTURES, (120, 120), overlap=0.0)(scan, read_labels).argmax(1)[0].float()


def line_of(caplog):
    (record,) = caplog.records
    return record.getMessage()


@pytest.fixture(autouse=True)
def warnings(caplog):
    caplog.set_level(logging.WARNING)


def test_an_adapted_label_that_is_as_plausible_is_taken_without_a_word(caplog):
    scan, other = drawn(RIGHT, LEFT, VS), drawn(RIGHT, LEFT, (1, (15, 55, 41), 9))
    assert torch.equal(labelled(scan, other), other[0, 0].as_tensor())
    assert not caplog.records


def test_an_adapted_label_that_misses_an_ear_is_not_taken_and_a_line_says_so(caplog):
    scan = drawn(RIGHT, LEFT, VS)
    assert torch.equal(labelled(scan, drawn(RIGHT, VS)), scan[0, 0].as_tensor())
    told = "labelled without adaptation: organs that are missing or unusual are more with it"
    assert line_of(caplog) == f"a_hrT2.nii.gz: {told}"


def test_an_adapted_label_whose_vs_becomes_too_small_is_not_taken(caplog):
    scan = drawn(RIGHT, LEFT, VS)
    assert torch.equal(labelled(scan, drawn(RIGHT, LEFT, (1, (15, 55, 40), 3))), scan[0, 0].as_tensor())
    assert "missing or unusual" in line_of(caplog)


def test_an_adapted_label_of_nothing_is_not_taken(caplog):
    scan = drawn(RIGHT, LEFT, VS)
    assert torch.equal(labelled(scan, drawn()), scan[0, 0].as_tensor())
    assert line_of(caplog) == "a_hrT2.nii.gz: labelled without adaptation: nothing is labelled with it"


def test_an_adapted_label_that_finds_the_other_ear_is_taken():
    assert torch.equal(labelled(drawn(RIGHT, VS), drawn(RIGHT, LEFT, VS)), drawn(RIGHT, LEFT, VS)[0, 0].as_tensor())


def test_a_scan_without_structures_is_labelled_as_without_adaptation(caplog):
    scan = drawn((1, (15, 50, 50), 9))  # a VS without an ear is none
    assert torch.equal(labelled(scan, drawn(RIGHT, LEFT, VS)), scan[0, 0].as_tensor())
    assert line_of(caplog) == "a_hrT2.nii.gz: labelled without adaptation: nothing is labelled"


def test_what_the_method_doubts_is_not_taken(caplog):
    scan = drawn(RIGHT, VS)
    assert torch.equal(labelled(scan, drawn(RIGHT, LEFT, VS), "the loss did not fall"), scan[0, 0].as_tensor())
    assert line_of(caplog) == "a_hrT2.nii.gz: labelled without adaptation: the loss did not fall"


# --- the choice ---


def test_without_adaptation_the_inferer_and_its_output_are_those_of_before(model):
    inferer, image = inferer_for(None, model, WINDOW, overlap=0.25, mirror_axes=(1,)), rand(1, 1, 3, 20, 21)
    assert type(inferer) is PlanInferer
    net = network()
    assert torch.equal(inferer(image, net), PlanInferer(WINDOW, overlap=0.25, mirror_axes=(1,))(image, net))


def test_networks_of_volumes_and_engines_without_gradients_are_refused(model):
    with pytest.raises(InputError, match=r"test_time vptta: adapts networks of slices, and this one is of volumes; "):
        inferer_for("vptta", model, (8, 16, 16))
    for engine in ("openvino", "onnxruntime"):
        assert engine_for(None, engine) == engine
        with pytest.raises(
            InputError, match=f"test_time vptta: needs gradients, which {engine} has not; choose engine"
        ):
            engine_for("vptta", engine)
    assert engine_for(None, "auto") == "auto"
    assert engine_for("vptta", "auto") == engine_for("vptta", "torch") == "torch"


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans").mkdir()
    image = np.random.default_rng(0).integers(1, 200, (24, 26, 4)).astype(np.int16)
    nib.save(nib.Nifti1Image(image, np.diag([-0.5, -0.5, 1, 1])), tmp_path / "scans" / "a_hrT2.nii.gz")
    return tmp_path / "scans"


def run(scans, model, **choices):
    folders = {"dataset_dir": str(scans), "model_dir": str(model), "output_dir": str(scans.with_name("out"))}
    flow = workflow("vs_cochlea_seg", "inference", **folders, device="cpu", engine="torch", **choices)
    flow.run()
    return flow


def test_the_bundle_labels_a_scan_with_adaptation(scans, model):
    flow = run(scans, model, test_time="vptta")
    assert isinstance(flow.parser.get_parsed_content("inferer"), AdaptingInferer)
    assert nib.load(scans.with_name("out") / "a_Label.nii.gz").shape == (24, 26, 4)


@pytest.mark.parametrize(
    ("choices", "line"),
    [
        ({"test_time": "gratta"}, "test_time gratta: is not vptta; "),
        ({"test_time": "vptta"}, "source_statistics.json: is missing, which test_time vptta"),
    ],
)
def test_the_bundle_tells_a_wrong_choice_and_missing_statistics_before_anything_is_written(scans, model, choices, line):
    bare = shutil.copytree(model, model.with_name("bare"), ignore=shutil.ignore_patterns("source_statistics.json"))
    with pytest.raises(RuntimeError) as error:
        run(scans, bare, **choices)
    assert line in str(mistake_behind(error.value))
    assert not scans.with_name("out").exists()
