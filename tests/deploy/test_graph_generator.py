import copy

import numpy as np
import onnxruntime
import pytest
import torch

from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.deploy.onnx import Signature, write_onnx
from tanq_monai.networks import TanqGenerator


def _generator():
    """Small, with weights large enough for everything to show in the output."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = TanqGenerator(width=8, blocks=2, num_styles=2).eval()
        for parameter in generator.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return generator


@pytest.fixture(scope="module")
def generator():
    return _generator()


@pytest.fixture(scope="module")
def session(generator, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    inputs = {"image": torch.zeros(2, 2, 32, 48), "style": torch.zeros(2, dtype=torch.long)}
    signature = Signature(inputs, "translation", 1, ("height", "width"), (4, 4))
    write_onnx(GraphGenerator(generator), path, signature, {"task": "test"})
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _slices(batch, height, width, labelled=True):
    slices = torch.rand(batch, 2, height, width, generator=torch.Generator().manual_seed(batch)) * 2 - 1
    slices[:, 1] = 0
    if labelled:
        slices[:, 1, 4:14, 4:15] = 1
        slices[:, 1, 12:20, 13:17] = 2  # touches the VS
        slices[-1, 1, 4:14, 4:15] = 0  # samples differ in what they hold
        slices[0, 1, 26, 26] = 1
    return slices


def _translations(session, generator, slices):
    """By ONNX Runtime and by torch; every slice in another style than the one before."""
    style = torch.arange(1, 1 + len(slices)) % 2
    with torch.no_grad():
        expected = generator(slices, style).numpy()
    return session.run(["translation"], {"image": slices.numpy(), "style": style.numpy()})[0], expected


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 32, 32), (3, 40, 28), (2, 64, 96)])
def test_onnx_runtime_translates_like_torch_whatever_batch_and_size(session, generator, batch, height, width):
    translation, expected = _translations(session, generator, _slices(batch, height, width))
    assert expected.std() > 0.1
    np.testing.assert_allclose(translation, expected, rtol=0, atol=1e-4)


def test_slices_without_structures_come_out_alike(session, generator):
    translation, expected = _translations(session, generator, _slices(2, 32, 32, labelled=False))
    assert expected.std() > 0.1
    np.testing.assert_allclose(translation, expected, rtol=0, atol=1e-4)


def test_slices_of_nothing_but_a_structure_come_out_alike(session, generator):
    slices = _slices(1, 32, 32)
    slices[:, 1] = 1
    translation, expected = _translations(session, generator, slices)
    assert expected.std() > 0.1
    np.testing.assert_allclose(translation, expected, rtol=0, atol=1e-4)


def test_slices_of_almost_nothing_but_structures_come_out_as_in_float64(session, generator):
    slices = _slices(2, 32, 32)
    slices[:, 1] = torch.randint(1, 3, (2, 32, 32), generator=torch.Generator().manual_seed(0))
    slices[:, 1, :4, :8] = 0
    style = torch.tensor([0, 1])
    with torch.no_grad():
        expected = copy.deepcopy(generator).double()(slices.double(), style).numpy()
    translation = session.run(None, {"image": slices.numpy(), "style": style.numpy()})[0]
    assert expected.std() > 0.1
    np.testing.assert_allclose(translation, expected, rtol=0, atol=1e-4)


def test_the_label_map_shows_in_the_translation(session):
    slices = _slices(1, 32, 32)
    with_label, without = (
        session.run(None, {"image": s.numpy(), "style": np.array([1])})[0]
        for s in (slices, slices * torch.tensor([1.0, 0.0])[:, None, None])
    )
    assert np.abs(with_label - without).max() > 0.1


def test_the_file_names_its_axes_and_ends(session):
    (image, style), (translation,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.shape) == ("image", ["batch", 2, "height", "width"])
    assert (style.name, style.shape) == ("style", ["batch"])
    assert (translation.name, translation.shape) == ("translation", ["batch", 1, "height", "width"])
    assert session.get_modelmeta().custom_metadata_map == {"task": "test"}


def test_the_generator_is_left_as_it_was(generator):
    for (name, value), other in zip(generator.state_dict().items(), _generator().state_dict().values(), strict=True):
        assert torch.equal(value, other), name
