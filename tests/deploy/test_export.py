"""What `export-onnx` makes of a bundle."""

import json
import re
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from typed import run_command

from bundles import copy_bundle, segmenter_bundle
from tanq_monai.deploy import export
from tanq_monai.deploy.engine_network import EngineNetwork
from tanq_monai.deploy.engines import SEGMENTER_2D, OnnxRuntime
from tanq_monai.errors import InputError
from tanq_monai.segmentation.plan.plans import network_from_plans


@pytest.fixture(params=["2d", "3d_fullres"])
def segmenter(request, exported):
    return exported[request.param]


@pytest.mark.parametrize("made", ["2d", "3d_fullres", "translation"])
def test_onnx_runtime_does_what_torch_does_on_a_virtual_patient(made, exported):
    folder, parity = exported[made]
    assert parity.largest_difference < 2e-4
    assert parity.agreement >= export.LEAST_AGREEMENT
    assert (folder / "models" / "model.onnx").stat().st_size < (20e6 if made == "translation" else 2e5)
    assert [path.name for path in (folder / "models").iterdir() if path.name.startswith(".")] == []


def test_the_segmenters_file_takes_any_batch_and_size(segmenter):
    folder, _ = segmenter
    models = folder / "models"
    network = network_from_plans(models / "plans.json", models / "dataset.json").eval()
    network.load_state_dict(torch.load(models / "model.pt", weights_only=True))
    engine = EngineNetwork(OnnxRuntime(models / "model.onnx", 2), SEGMENTER_2D)
    dims = network.decoder.seg_layers[-1].weight.ndim - 2
    for batch, sizes in ((1, (16, 48, 40)), (3, (8, 32, 64))):
        image = torch.randn(batch, 1, *sizes[-dims:], generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            torch.testing.assert_close(engine(image), network(image), rtol=0, atol=1e-4)


def test_the_segmenters_file_says_how_to_prepare_a_scan(segmenter):
    folder, _ = segmenter
    session = onnxruntime.InferenceSession(folder / "models" / "model.onnx")
    said = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    plan = json.loads((folder / "models" / "plans.json").read_text())
    configuration = plan["configurations"][plan["trained_configuration"]]
    assert said["task"] == "segmentation"
    assert said["classes"] == {"background": 0, "VS": 1, "cochlea": 2}
    assert said["spacing"] == configuration["spacing"]
    assert said["patch_size"] == configuration["patch_size"]
    assert said["interpolation"]["image"] == {"order": 3, "order_z": 0, "separate_z": None}
    assert said["version"] == json.loads((folder / "configs" / "metadata.json").read_text())["version"]
    assert "Research only" in said["intended_use"]
    axes = ["depth", "height", "width"][-len(said["spacing"]) :]
    assert session.get_inputs()[0].shape == ["batch", 1, *axes]
    assert session.get_outputs()[0].shape == ["batch", 3, *axes]


def test_the_translators_file_says_how_slices_are_cut(exported):
    session = onnxruntime.InferenceSession(exported["translation"][0] / "models" / "model.onnx")
    said = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    assert said["task"] == "translation"
    assert (said["pixels"], said["spacing"], said["slab_mm"], said["styles"]) == (64, 1.4, 28.0, ["ldn", "etz"])
    assert said["normalization"]["percentile"] == 99.5


def test_beside_the_weights_the_segmenters_file_says_of_each_where_it_lies(segmenter):
    models = segmenter[0] / "models"
    weights = torch.load(models / "model.pt", weights_only=True)
    content = (models / "model.pt").read_bytes()
    written = onnx.load(models / "model.onnx", load_external_data=False).graph.initializer
    large = [one for one in written if one.name in weights and weights[one.name].numpy().nbytes >= 256]
    assert 5 < len(large) == sum(bool(one.external_data) for one in written)
    for one in large:
        place = {entry.key: entry.value for entry in one.external_data}
        start, length = int(place["offset"]), int(place["length"])
        assert place["location"] == "model.pt"
        assert content[start : start + length] == weights[one.name].numpy().tobytes()


@pytest.mark.parametrize("made", ["2d", "3d_fullres", "translation"])
def test_the_file_names_no_source_file_of_the_machine_it_was_made_on(made, exported):
    content = (exported[made][0] / "models" / "model.onnx").read_bytes()
    assert not re.search(rb"\.py\b|site-packages", content)
    for place in (Path(export.__file__).parents[2], Path(sys.prefix), exported[made][0].parent):
        assert str(place).encode() not in content


@pytest.fixture
def written_before(exported, monkeypatch):
    """The file of the 2d network is a copy of the one that the fixture wrote: that takes seconds."""
    file = exported["2d"][0] / "models" / "model.onnx"
    whole = onnx.load(file)  # its weights are in the model.pt beside it
    monkeypatch.setattr(export, "write_onnx", lambda network, path, *_: onnx.save(whole, path))
    return file


def test_a_file_that_would_do_something_else_is_not_written(written_before, tmp_path, monkeypatch):
    folder = segmenter_bundle(tmp_path / "vs_cochlea_seg")
    before = written_before.read_bytes()
    (folder / "models" / "model.onnx").write_bytes(before)

    class Wrong(EngineNetwork):
        def forward(self, image, style=None):
            return super().forward(image, style).flip(1)  # classes in another order

    monkeypatch.setattr(export, "EngineNetwork", Wrong)
    with pytest.raises(InputError, match=r"model\.onnx: would not do what torch does: largest difference .*; use the"):
        export.export_onnx(folder)
    assert (folder / "models" / "model.onnx").read_bytes() == before


@pytest.mark.parametrize("name", ["model.pt", "plans.json", "other.onnx"])
def test_only_an_earlier_export_is_replaced(tmp_path, name):
    folder = segmenter_bundle(tmp_path / "vs_cochlea_seg")
    path = folder / "models" / name
    if name == "other.onnx":
        path.write_bytes(b"of another program")
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"{name}: is there already, and no export of a bundle; give another name"):
        export.export_onnx(folder, path)
    assert path.read_bytes() == before


def test_a_folder_that_is_no_bundle_or_has_no_weights_is_told(tmp_path):
    with pytest.raises(InputError, match=r"inference\.yaml: is missing; give the folder of a bundle"):
        export.export_onnx(tmp_path)
    with pytest.raises(InputError, match=r"model\.pt: is missing; train first"):
        export.export_onnx(copy_bundle("tanq_translation", tmp_path / "empty"))


def test_the_command_prints_the_parity_and_takes_another_file(written_before, tmp_path):
    folder = segmenter_bundle(tmp_path / "vs_cochlea_seg")
    done = run_command("export-onnx", "--bundle", folder, "--output", tmp_path / "out" / "seg.onnx")
    assert re.search(r"seg\.onnx: largest difference from torch \d\.\de-\d+, agreement 1\.0+ of", done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "seg.onnx").is_file()
    assert not (folder / "models" / "model.onnx").exists()
