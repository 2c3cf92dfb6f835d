"""The translator by exemplars through MONAI's own workflows: overlays and a view, on the tiny phantom."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES, workflow
from ignite.engine import Events

from tanq_monai.errors import mistake_behind
from tanq_monai.networks import ExemplarGenerator, TanqGenerator

CONFIGS = BUNDLES / "tanq_translation" / "configs"
CPU = {"device": "$torch.device('cpu')"}
SMALL = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "slab_mm": 12.0} | CPU
TRAINING = SMALL | {"crop": 32, "max_epochs": 2, "batch_size": 2}


def _training(data, output, **override):
    folders = {"dataset_dir": str(data), "output_dir": str(output)}
    return workflow("tanq_translation", "train", "train_exemplar", **(TRAINING | folders | override))


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("exemplar")
    flow = _training(tiny_phantom, output)
    flow.run()
    return output, flow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained translator whose codes show, with the choices of its training beside it."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ExemplarGenerator(width=4, blocks=2)
        torch.save(TanqGenerator(width=4, blocks=2).state_dict(), folder / "tanq.pt")
    torch.save(network.state_dict(), folder / "model.pt")
    choices = {name: SMALL[name] for name in ("pixels", "pixel_mm", "slab_mm", "width", "blocks")} | {"styles": [""]}
    for name in ("model.json", "tanq.json"):
        (folder / name).write_text(json.dumps(choices))
    return folder / "model.pt"


@pytest.fixture(scope="module")
def source(tiny_phantom, tmp_path_factory):
    """One labelled patient."""
    folder = tmp_path_factory.mktemp("source")
    first = min((tiny_phantom / "training_source").glob("*_ceT1.nii.gz")).name.removesuffix("_ceT1.nii.gz")
    for path in (tiny_phantom / "training_source").glob(f"{first}_*"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def exemplars(tiny_phantom):
    """Two hrT2 scans, one of each site."""
    return [str(min((tiny_phantom / "training_target").glob(f"*_{site}_*"))) for site in ("etz", "ldn")]


def _names(exemplars):
    return [path.rpartition("/")[2].removesuffix("_hrT2.nii.gz") for path in exemplars]


def _inference(source, model, output, **choices):
    files = {"dataset_dir": str(source), "output_dir": str(output), "model_file": str(model)}
    workflow("tanq_translation", "inference", "exemplar", **(files | CPU | choices)).run()
    (path,) = output.glob("*_hrT2.nii.gz")
    return nib.load(path)


def _multi_view(source, model, output, **choices):
    models = {"tanq_model_file": str(model.parent / "tanq.pt"), "exemplar_model_file": str(model)}
    folders = {"dataset_dir": str(source), "output_dir": str(output)}
    chosen = {"used_views": ["exemplar"]} | choices
    workflow("tanq_translation", "multi_view", **(models | folders | CPU | chosen)).run()


def _config(name):
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


def test_training_has_all_properties_of_monai(trained):
    assert trained[1].check_properties() == []


def test_the_training_leaves_content_encoder_style_encoder_and_decoder_in_one_model_and_a_history(trained):
    output, flow = trained
    generator = ExemplarGenerator(width=4, blocks=2)
    generator.load_state_dict(torch.load(output / "models" / "model.pt", weights_only=True))
    last = flow.parser.get_parsed_content("networks").generator.state_dict()
    assert all(torch.equal(value, last[name]) for name, value in generator.state_dict().items())
    choices = json.loads((output / "models" / "model.json").read_text())
    assert (choices["width"], choices["blocks"], choices["pixels"]) == (4, 2, 64)
    history = pd.read_csv(output / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    terms = ("adversarial", "reconstruction", "cycle", "content", "style", "discriminator")
    assert {f"loss_{term}" for term in terms} <= set(history)
    assert np.isfinite(history.to_numpy()).all()


def test_the_checkpoint_holds_all_that_learns(trained):
    state = torch.load(trained[0] / "checkpoint.pt", weights_only=True)
    networks = trained[1].parser.get_parsed_content("networks")
    for part, names in {
        "generators": ("generator", "source_style"),
        "discriminators": ("discriminator", "source_discriminator"),
    }.items():
        weights = [value for name in names for value in getattr(networks, name).state_dict().values()]
        assert all(torch.equal(a, b) for a, b in zip(state[part].values(), weights, strict=True))
        parameters = [value for name in names for value in getattr(networks, name).parameters()]
        assert len(state[f"optimizer_{part}"]["state"]) == len(parameters)
    assert state["generators"]["0.looks"].abs().min() > 0


def test_a_run_stopped_after_an_epoch_and_resumed_ends_with_the_same_bits(trained, tiny_phantom, tmp_path):
    slices = {"slices_dir": str(trained[0] / "slices")}
    trainer = _training(tiny_phantom, tmp_path, **slices).parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.terminate())
    trainer.run()
    assert trainer.state.epoch == 1
    _training(tiny_phantom, tmp_path, **slices).run()
    straight, resumed = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (trained[0], tmp_path))
    for part in ("generators", "discriminators"):
        for name, value in straight[part].items():
            assert torch.equal(resumed[part][name], value), f"{part} {name}"


def test_the_trained_model_translates_to_the_looks_of_two_exemplars(trained, source, exemplars, model, tmp_path):
    own = trained[0] / "models" / "model.pt"
    (tmp_path / "models").mkdir()
    for name in ("tanq.pt", "tanq.json"):
        shutil.copy(model.parent / name, tmp_path / "models")
    for path in own.parent.iterdir():
        shutil.copy(path, tmp_path / "models")
    _multi_view(source, tmp_path / "models" / "model.pt", tmp_path / "raw", exemplars=exemplars)
    assert len(list((tmp_path / "raw" / "imagesTr").glob("*.gz"))) == 2


def test_every_scan_is_there_in_the_look_of_every_exemplar_as_inference_alone_writes_it(
    source, exemplars, model, tmp_path
):
    _multi_view(source, model, tmp_path / "raw", exemplars=exemplars)
    (image,) = source.glob("*_ceT1.nii.gz")
    case, views = image.name.removesuffix("_ceT1.nii.gz"), {}
    for path, name in zip(exemplars, _names(exemplars), strict=True):
        view = nib.load(tmp_path / "raw" / "imagesTr" / f"{case}_exemplar-{name}_0000.nii.gz")
        alone = _inference(source, model, tmp_path / name, exemplars=exemplars, style=name)
        by_itself = _inference(source, model, tmp_path / f"only_{name}", exemplars=[path])
        assert view.shape == nib.load(image).shape
        views[name] = np.asarray(view.dataobj)
        assert 0 <= views[name].min() < views[name].max() <= 1
        assert np.array_equal(views[name], np.asarray(alone.dataobj))
        np.testing.assert_allclose(np.asarray(by_itself.dataobj), views[name], rtol=0, atol=1e-5)
        record = json.loads((tmp_path / "raw" / "provenance.json").read_text())["files"][f"{case}_exemplar-{name}"]
        digest = sha256(Path(path).read_bytes()).hexdigest()
        assert record["exemplar"] == {"file": f"{name}_hrT2.nii.gz", "sha256": digest}
    one, other = views.values()
    assert np.abs(one - other).max() > 1e-3
    assert len(list((tmp_path / "raw" / "imagesTr").glob("*.gz"))) == 2


def _told(run, *arguments, **choices):
    with pytest.raises(Exception) as error:
        run(*arguments, **choices)
    line = str(mistake_behind(error.value))
    assert "\n" not in line
    return line


@pytest.mark.parametrize("run", [_inference, _multi_view])
def test_exemplars_that_cannot_be_are_told_before_anything_is_written(run, source, model, tmp_path):
    output = tmp_path / "out"
    (image,) = source.glob("*_ceT1.nii.gz")
    line = _told(run, source, model, output, exemplars=[str(image)])
    assert line == f"{image}: is no hrT2 by its name; give hrT2, or its right name to a file of it"
    line = _told(run, source, model, output, exemplars=[str(tmp_path / "none_hrT2.nii.gz")])
    assert line.startswith(f"{tmp_path}/none_hrT2.nii.gz: ")
    line = _told(run, source, model, output, exemplars=[str(source)])
    assert line.startswith(f"{source}: holds no hrT2 scan; give *_hrT2.nii.gz")
    told = "exemplars: are missing; give hrT2 scans, whose looks the translations get"
    assert _told(run, source, model, output) == told
    assert not output.exists() or not any(output.iterdir())


def test_a_look_that_no_exemplar_has_is_told(source, exemplars, model, tmp_path):
    line = _told(_inference, source, model, tmp_path, exemplars=exemplars, style="utrecht")
    assert line.startswith("style utrecht: is none that the translator knows; choose one of ")


@pytest.mark.parametrize(
    ("choices", "line"),
    [
        ({"used_views": ["tanq"]}, "exemplars: are of no use without the view exemplar; add exemplar to used_views"),
        (
            {"used_views": ["tanq", "exemplar"], "views#tanq#exemplars": "$@views#exemplar#exemplars"},
            "views#tanq#exemplars: its network takes none; choose null",
        ),
    ],
)
def test_exemplars_for_a_translator_that_takes_none_are_refused(source, exemplars, model, tmp_path, choices, line):
    output = tmp_path / "raw"
    assert _told(_multi_view, source, model, output, exemplars=exemplars, **choices) == line
    assert not output.exists() or not any(output.iterdir())


def test_training_and_inference_build_the_same_generator():
    training, inference = _config("train_exemplar"), _config("exemplar")
    assert training["network_def"] == inference["network_def"]
    view = _config("multi_view")["views"]["exemplar"]
    assert view["network_def"]["_target_"] == training["network_def"]["_target_"]
    assert view["exemplars"] == inference["looks"]


def test_the_choices_are_those_of_the_paper_by_default():
    config = _config("train_exemplar")
    assert (config["width"], config["blocks"]) == (32, 4)
    terms = {"adversarial": 1.0, "reconstruction": 10.0, "cycle": 10.0, "content": 1.0, "style": 1.0}
    assert config["weights"] == {"_target_": "tanq_monai.trainers.exemplar.ExemplarWeights"} | terms


def test_the_overlays_replace_only_what_the_configs_below_have_or_they_use_themselves():
    below, overlay = _config("train"), _config("train_exemplar")
    own = {"source_style_def", "source_discriminator_def", "generators", "discriminators"}
    assert set(overlay) - set(below) == own | {"train#trainer", "train#companions"}
    assert set(_config("exemplar")) - set(_config("inference")) == {"+may_be_null", "exemplars", "looks"}
    learned = {name for name in below["state"] if name.removeprefix("optimizer_") in below["networks"]}
    assert set(below["state"]) - learned <= set(overlay["state"])
