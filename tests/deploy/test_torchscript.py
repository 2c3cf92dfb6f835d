"""The networks of both bundles as TorchScript, against torch."""

import json
import shutil
import zipfile

import pytest
import torch
from bundle_workflow import BUNDLES
from monai.bundle import ConfigParser
from monai.data import load_net_with_metadata

from tanq_monai.deploy.rendering import rendered_json
from tanq_monai.deploy.torchscript import export_torchscript
from tanq_monai.errors import InputError
from tanq_monai.segmentation.plans import TRAINED

# As MONAI's loader and torch's own say: TorchScript is to be superseded.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated")
NAMES = ("tanq_translation", "vs_cochlea_seg")


def with_random_weights(name, folder):
    """A copy of a bundle whose weights are drawn, large enough for everything to show in the output."""
    bundle = shutil.copytree(BUNDLES / name, folder / name)
    if name == "vs_cochlea_seg":
        plans = json.loads((bundle / "models" / "plans.json").read_text())
        (bundle / "models" / "plans.json").write_text(json.dumps(plans | {TRAINED: "2d"}))
    network = network_of(bundle)
    generator = torch.Generator().manual_seed(0)
    for weight in network.state_dict().values():
        weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.02)
    (bundle / "models").mkdir(exist_ok=True)
    torch.save(network.state_dict(), bundle / "models" / "model.pt")
    return bundle


def network_of(bundle):
    parser = ConfigParser()
    parser.read_config(str(bundle / "configs" / "inference.yaml"))
    parser["bundle_root"] = str(bundle)
    return parser.get_parsed_content("network_def")


@pytest.fixture(scope="module", params=NAMES)
def exported(request, tmp_path_factory):
    """A bundle and its TorchScript file."""
    folder = tmp_path_factory.mktemp(request.param)
    bundle = with_random_weights(request.param, folder)
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
    network = network_of(bundle).eval()
    network.load_state_dict(torch.load(bundle / "models" / "model.pt", weights_only=True))
    image = images(bundle, batch, height, width)
    with torch.no_grad():
        inputs = (image,) if bundle.name == "vs_cochlea_seg" else (image, torch.zeros(batch, dtype=torch.long))
        expected, found = network(image), torch.jit.load(path)(*inputs)
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-4


def test_it_keeps_metadata_and_config_as_monai_reads_them(exported):
    bundle, path = exported
    _, metadata, extra = load_net_with_metadata(str(path), more_extra_files=["inference.json"])
    assert metadata == json.loads((bundle / "configs" / "metadata.json").read_text())
    assert json.loads(extra["inference.json"]) == json.loads(rendered_json(bundle / "configs" / "inference.yaml"))


def test_it_does_not_say_where_its_code_lay(exported):
    bundle, path = exported
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".debug_pkl")]
        text = b"".join(archive.read(name) for name in archive.namelist())
    for place in (str(bundle.parent), str(BUNDLES.parent), "site-packages", "/dist-packages"):
        assert place.encode() not in text


def test_a_bundle_without_weights_is_told(tmp_path):
    bundle = shutil.copytree(BUNDLES / "vs_cochlea_seg", tmp_path / "b", ignore=shutil.ignore_patterns("model.pt"))
    with pytest.raises(InputError, match=r"model.pt: is missing; train first"):
        export_torchscript(bundle, tmp_path / "model.ts")
    assert not (tmp_path / "model.ts").exists()
