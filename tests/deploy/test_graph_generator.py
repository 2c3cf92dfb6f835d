import copy

import numpy as np
import onnxruntime
import pytest
import torch

from bundles import CHOICES
from tanq_monai.deploy.graph_generator import GraphGenerator
from tanq_monai.networks import TanqGenerator


@pytest.fixture(scope="module")
def models(exported):
    """A folder with a small generator of two styles as ``model.pt`` and ``model.onnx``."""
    return exported["translation"][0] / "models"


@pytest.fixture(scope="module")
def generator(models):
    """With weights large enough for everything to show in the output."""
    generator = TanqGenerator(width=CHOICES["width"], blocks=CHOICES["blocks"], num_styles=2).eval()
    generator.load_state_dict(torch.load(models / "model.pt", weights_only=True))
    return generator


@pytest.fixture(scope="module")
def session(models):
    assert sorted(file.name for file in models.iterdir()) == ["model.json", "model.onnx", "model.pt"]
    return onnxruntime.InferenceSession(models / "model.onnx", providers=["CPUExecutionProvider"])


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


def test_the_generator_is_left_as_it_was(generator):
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    with torch.no_grad():
        graph = GraphGenerator(generator)(_slices(1, 32, 32), torch.tensor([1]))
    assert graph.shape == (1, 1, 32, 32)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
