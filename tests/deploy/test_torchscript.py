"""The networks of both bundles as TorchScript, against torch."""

import json
import zipfile

import pytest
import torch
from bundle_workflow import BUNDLES
from monai.data import load_net_with_metadata

from bundles import CHOICES, copy_bundle, segmenter_bundle, translator_bundle
from tanq_monai.deploy.bundle_network import read_network
from tanq_monai.deploy.rendering import rendered_json
from tanq_monai.deploy.torchscript import export_torchscript
from tanq_monai.errors import InputError

# As MONAI's loader and torch's own say: TorchScript is to be superseded.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated")
MADE = {"vs_cochlea_seg": segmenter_bundle, "tanq_translation": translator_bundle}


@pytest.fixture(scope="module", params=MADE)
def exported(request, tmp_path_factory):
    """A bundle and its TorchScript file."""
    folder = tmp_path_factory.mktemp("torchscript")
    bundle = MADE[request.param](folder / request.param)
    export_torchscript(bundle, folder / "model.ts")
    return bundle, folder / "model.ts"


def images(bundle, batch, height, width):
    generator = torch.Generator().manual_seed(batch)
    image = torch.randn(batch, 1, height, width, generator=generator).clamp(-1, 1)
    if bundle.name == "vs_cochlea_seg":
        return image
    labels = torch.zeros_like(image)
    labels[:, :, 8:20, 8:24] = 1
    labels[0, :, 30:40, 30:50] = 2  # samples differ in what they hold
    return torch.cat([image, labels], dim=1)


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 64, 64), (3, 96, 160), (2, 224, 64)])
def test_it_computes_what_the_network_does_for_other_sizes_than_it_was_traced_with(exported, batch, height, width):
    bundle, path = exported
    network = read_network(bundle)
    image = images(bundle, batch, height, width)
    with torch.no_grad():
        inputs = (image,) if bundle.name == "vs_cochlea_seg" else (image, torch.arange(batch) % len(CHOICES["styles"]))
        expected, found = network(*inputs), torch.jit.load(path)(*inputs)
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-4


def test_it_keeps_metadata_and_config_as_monai_reads_them(exported):
    bundle, path = exported
    _, metadata, extra = load_net_with_metadata(str(path), more_extra_files=["inference.json"])
    assert metadata == json.loads((bundle / "configs" / "metadata.json").read_text())
    assert json.loads(extra["inference.json"]) == json.loads(rendered_json(bundle / "configs" / "inference.yaml"))


def test_its_files_lie_where_monai_deploys_own_operator_reads_a_bundle(exported):
    _, path = exported
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"model"}  # the archive's own name
    assert {"model/extra/metadata.json", "model/extra/inference.json"} <= set(names)


def test_it_does_not_say_where_its_code_lay(exported):
    bundle, path = exported
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".debug_pkl")]
        text = b"".join(archive.read(name) for name in archive.namelist())
    for place in (str(bundle.parent), str(BUNDLES.parent), "site-packages", "/dist-packages"):
        assert place.encode() not in text


def test_a_bundle_without_weights_is_told(tmp_path):
    with pytest.raises(InputError, match=r"model.pt: is missing; train first"):
        export_torchscript(copy_bundle("vs_cochlea_seg", tmp_path / "bundle"), tmp_path / "model.ts")
    assert not (tmp_path / "model.ts").exists()


def test_a_network_is_scripted_by_its_trace_as_ckpt_export_asks_for_and_stays_as_it_is(exported):
    bundle, _ = exported
    network, image = read_network(bundle), images(bundle, 3, 96, 160)
    script = torch.jit.script(network)
    assert not network.training
    with torch.no_grad():
        expected = network(image)
        assert (script(image) - expected).abs().max() < 1e-4
        if bundle.name == "tanq_translation":
            style = torch.tensor([1, 0, 1])
            assert (script(image, style) - network(image, style)).abs().max() < 1e-4
    assert torch.equal(network(image), expected)
