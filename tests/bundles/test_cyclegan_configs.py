"""CycleGAN through MONAI's own workflows: overlays on the translation bundle's configs, on the tiny phantom."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES, workflow
from ignite.engine import Events

from tanq_monai.networks import CycleGanGenerator

CONFIGS = BUNDLES / "tanq_translation" / "configs"
SMALL = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "device": "$torch.device('cpu')"}
TRAINING = SMALL | {"crop": 32, "slab_mm": 12.0, "max_epochs": 2, "batch_size": 2, "pool_size": 3}


def _training(data, output, **override):
    folders = {"dataset_dir": str(data), "output_dir": str(output)}
    return workflow("tanq_translation", "train", "train_cyclegan", **(TRAINING | folders | override))


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("cyclegan")
    flow = _training(tiny_phantom, output)
    flow.run()
    return output, flow


def _config(name):
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())


def test_training_has_all_properties_of_monai(trained):
    assert trained[1].check_properties() == []


def test_the_training_leaves_the_generator_of_hrT2_and_a_history(trained):
    output, flow = trained
    generator = CycleGanGenerator(width=4, blocks=2)
    generator.load_state_dict(torch.load(output / "models" / "model.pt", weights_only=True))
    last = flow.parser.get_parsed_content("networks").generator.state_dict()
    assert all(torch.equal(value, last[name]) for name, value in generator.state_dict().items())
    history = pd.read_csv(output / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert {"loss_adversarial", "loss_cycle", "loss_identity", "loss_discriminator"} <= set(history)
    assert np.isfinite(history.to_numpy()).all()


def test_the_checkpoint_holds_all_that_learns(trained):
    state = torch.load(trained[0] / "checkpoint.pt", weights_only=True)
    assert len(state["pool"]["images"]) == len(state["source_pool"]["images"]) == 3
    networks = trained[1].parser.get_parsed_content("networks")
    for part, names in {
        "generators": ("generator", "inverse_generator"),
        "discriminators": ("discriminator", "source_discriminator"),
    }.items():
        weights = [value for name in names for value in getattr(networks, name).state_dict().values()]
        assert all(torch.equal(a, b) for a, b in zip(state[part].values(), weights, strict=True))
        assert len(state[f"optimizer_{part}"]["state"]) == len(weights)


def test_the_learning_rate_falls_in_both_optimizers(trained):
    optimizers = trained[1].parser.get_parsed_content("optimizers")
    rates = [group["lr"] for optimizer in vars(optimizers).values() for group in optimizer.param_groups]
    assert rates == pytest.approx([0.0001, 0.0001])  # second of two epochs: half of 0.0002


def test_a_run_stopped_after_an_epoch_and_resumed_ends_with_the_same_bits(trained, tiny_phantom, tmp_path):
    slices = {"slices_dir": str(trained[0] / "slices")}
    trainer = _training(tiny_phantom, tmp_path, **slices).parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.terminate())
    trainer.run()
    assert trainer.state.epoch == 1
    _training(tiny_phantom, tmp_path, **slices).run()
    straight, resumed = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (trained[0], tmp_path))
    for part in ("generators", "discriminators", "pool", "source_pool"):
        for name, value in straight[part].items():
            assert torch.equal(resumed[part][name], value), f"{part} {name}"
    model = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert torch.equal(model["layers.0.weight"], straight["generators"]["0.layers.0.weight"])


def test_it_translates_scans_of_two_styles_with_one_generator(trained, tiny_phantom, tmp_path):
    choices = {"dataset_dir": str(tiny_phantom / "training_source"), "output_dir": str(tmp_path / "pseudo")}
    choices |= SMALL | {
        "model_file": str(trained[0] / "models" / "model.pt"),
        "slab_mm": 28.0,
        "styles": ["ldn", "etz"],
    }
    flow = workflow("tanq_translation", "inference", "cyclegan", **choices)
    flow.run()
    assert flow.check_properties() == []
    sources = sorted((tiny_phantom / "training_source").glob("*_ceT1.nii.gz"))
    assert len(sources) == 4
    for source in sources:
        scan, pseudo = nib.load(source), nib.load(tmp_path / "pseudo" / source.name.replace("ceT1", "hrT2"))
        assert pseudo.shape == scan.shape
        assert np.allclose(pseudo.affine, scan.affine, atol=1e-4)
        assert 0 <= pseudo.get_fdata().min() < pseudo.get_fdata().max() <= 1


@pytest.mark.slow
def test_seg_decoders_learn_along_and_are_no_part_of_the_model(tiny_phantom, tmp_path):
    flow = _training(tiny_phantom, tmp_path, seg_decoders=True, max_epochs=1)
    first = flow.parser.get_parsed_content("networks").seg_decoders[1][0].weight.clone()
    flow.run()
    assert not torch.equal(flow.parser.get_parsed_content("networks").seg_decoders[1][0].weight, first)
    assert pd.read_csv(tmp_path / "history.csv")["loss_segmentation"].iloc[-1] > 0
    model = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    CycleGanGenerator(width=4, blocks=2).load_state_dict(model)


@pytest.mark.slow
def test_the_discriminator_of_hrT2_tells_as_many_styles_apart_as_there_are(tiny_phantom, tmp_path):
    flow = _training(tiny_phantom, tmp_path, styles=["ldn", "etz"], max_epochs=1)
    networks = flow.parser.get_parsed_content("networks")
    flow.run()
    assert networks.discriminator[-1].out_channels == 2
    assert networks.source_discriminator[-1].out_channels == 1


def test_the_choices_are_those_of_the_paper_by_default():
    config = _config("train_cyclegan")
    assert config["max_epochs"] == 200
    assert config["blocks"] == 9
    assert config["pool_size"] == 50
    assert config["weights"] == config["weights"] | {"adversarial": 1.0, "cycle": 10.0, "identity": 5.0}


def test_training_and_inference_build_the_same_generator():
    training, inference = _config("train_cyclegan"), _config("cyclegan")
    assert training["network_def"] == inference["network_def"] == training["inverse_network_def"]
    assert training["blocks"] == inference["blocks"]


def test_the_overlays_replace_only_what_the_configs_below_have_or_they_use_themselves():
    below, overlay = _config("train"), _config("train_cyclegan")
    own = {"pool_size", "inverse_network_def", "source_discriminator_def", "generators", "discriminators", "pools"}
    own |= {"seg_decoders", "seg_decoder_def", "inverse_seg_decoder_def"}
    assert set(overlay) - set(below) == own | {"train#trainer", "train#companions", "fixed_choices#seg_decoders"}
    assert set(_config("cyclegan")) <= set(_config("inference"))
    # What train.yaml's checkpoint holds besides networks and optimizers, the overlay's holds as well.
    learned = {name for name in below["state"] if name.removeprefix("optimizer_") in below["networks"]}
    assert set(below["state"]) - learned <= set(overlay["state"])
