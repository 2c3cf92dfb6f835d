"""Pretraining on pairs and the training that starts from it, through MONAI's workflows; the experiment's arithmetic."""

import runpy

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES, THREE, three_classes, workflow
from ignite.engine import Events

from tanq_monai.errors import mistake_behind
from tanq_monai.networks import TanqGenerator
from tanq_monai.phantom import write_dataset
from tanq_monai.translation.model_choices import PAPER

SMALL = {"pixels": 64, "pixel_mm": 1.4, "slab_mm": 12.0, "crop": 32, "width": 4, "blocks": 2, "batch_size": 2}
SMALL |= {"max_epochs": 2, "device": "$torch.device('cpu')"}
SCRIPT = BUNDLES.parent / "scripts" / "warm_start.py"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_dataset(folder, 0, 0, 0, size="tiny", seed=7, num_paired=2, protocols="random")
    return folder


def _flow(config, data, output, *overlays, **choices):
    folders = {"dataset_dir": str(data), "output_dir": str(output)}
    return workflow("tanq_translation", config, *overlays, **(SMALL | folders | choices))


def test_pairs_of_three_classes_are_the_same_slices_as_those_of_the_two_they_merge_to(pairs, tmp_path):
    three_classes(pairs / "paired", tmp_path / "three" / "paired")
    flows = [_flow("pretrain", pairs, tmp_path / "run")]
    flows.append(_flow("pretrain", tmp_path / "three", tmp_path / "run", structures=THREE))
    stores = [flow.parser.get_parsed_content("slices") for flow in flows]
    two, three = (torch.stack([store[n] for n in range(len(store))]) for store in stores)
    assert torch.equal(two, three)
    assert set(three[:, 1].unique().tolist()) == {0, 1, 2}


@pytest.fixture(scope="module")
def pretrained(slow, pairs, tmp_path_factory):
    output = tmp_path_factory.mktemp("pretraining")
    _flow("pretrain", pairs, output, "keep_epochs").run()
    return output


def _weights(path):
    return torch.load(path, weights_only=True)


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_pretraining_leaves_a_model_and_a_history_of_finite_losses(pretrained):
    TanqGenerator(width=4, blocks=2).load_state_dict(_weights(pretrained / "models" / "model.pt"))
    history = pd.read_csv(pretrained / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert np.isfinite(history.to_numpy()).all()
    terms = ("difference", "gradient", "structures", "segmentation")
    total = sum(history[f"loss_{name}"] for name in terms)
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)


def test_the_overlay_keeps_the_generator_of_every_epoch(pretrained):
    epochs = [_weights(pretrained / "epochs" / f"generator_epoch={number}.pt") for number in (1, 2)]
    assert not _equal(*epochs)
    assert _equal(epochs[1], _weights(pretrained / "models" / "model.pt"))


def test_a_pretraining_stopped_after_an_epoch_and_resumed_ends_with_the_same_weights(pairs, pretrained, tmp_path):
    halted = _flow("pretrain", pairs, tmp_path)
    trainer = halted.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.terminate())
    trainer.run()
    _flow("pretrain", pairs, tmp_path).run()
    assert _equal(*(_weights(folder / "models" / "model.pt") for folder in (tmp_path, pretrained)))


def test_training_starts_from_the_pretraining_and_a_resumed_one_from_its_checkpoint(tiny_phantom, pretrained, tmp_path):
    warm = str(pretrained / "models")
    seen = []

    def note(engine):
        seen.append({name: value.clone() for name, value in engine.network.state_dict().items()})

    def run(stop):
        flow = _flow("train", tiny_phantom, tmp_path, start_from=warm, validate_every=0)
        trainer = flow.parser.get_parsed_content("train#trainer")
        with trainer.add_event_handler(Events.EPOCH_STARTED, note):
            if stop:
                trainer.add_event_handler(Events.ITERATION_COMPLETED(once=trainer.state.epoch_length), note)
                trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.terminate())
            trainer.run()

    run(stop=True)
    run(stop=False)
    first, after_one_epoch, resumed = seen
    assert _equal(first, _weights(pretrained / "models" / "model.pt"))
    assert not _equal(first, after_one_epoch)
    assert _equal(resumed, after_one_epoch)


def test_a_pretraining_of_another_width_is_told_in_one_line(tiny_phantom, pretrained, tmp_path):
    flow = _flow("train", tiny_phantom, tmp_path, width=8, start_from=str(pretrained / "models"))
    with pytest.raises(Exception) as error:
        flow.run()
    assert "model.pt: does not fit the network" in str(mistake_behind(error.value))


def test_choices_that_pretraining_and_training_share_are_equal():
    configs = [
        yaml.safe_load((BUNDLES / f"tanq_translation/configs/{n}.yaml").read_text()) for n in ("pretrain", "train")
    ]
    for name in ("styles", "batch_size", "network_def"):
        assert configs[0][name] == configs[1][name], name
    assert configs[0]["weights"]["classes"] == configs[1]["weights"]["classes"]
    for name in ("pixels", "pixel_mm", "slab_mm", "width", "blocks"):  # by which a training from nothing is the paper's
        assert configs[0][name] == PAPER[name], name
        assert configs[1][name] == f'$@begun_with["{name}"]'
    assert configs[0]["crop"] == PAPER["pixels"]


def test_the_experiment_starts_each_training_where_it_says(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    starts = {name: script["_start"](tmp_path, folder)["start_from"] for name, (folder, _) in script["STARTS"].items()}
    shipped = BUNDLES / "tanq_translation" / "models"
    assert starts["from nothing"] is None
    assert starts["from the shipped generator alone"] == tmp_path / "generator_alone" / "models"
    assert starts["from all that is shipped"] == starts["the same, levels held"] == shipped


def test_a_translator_that_gives_the_truth_scores_1_and_another_less(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    slices = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32))
    slices[:, 1] = 0
    slices[1, 1, 4:10, 4:10] = 1
    perfect = script["_score"]("perfect", 7, lambda _: slices[:, 2:], {"a": slices})
    other = script["_score"]("other", 7, lambda given: given[:, :1], {"a": slices})
    assert perfect["SSIM"].item() == pytest.approx(1, abs=1e-5)
    assert perfect["contrast error VS"].item() == pytest.approx(0, abs=1e-6)
    assert other["SSIM"].item() < 0.5
    assert perfect[["run", "step", "case"]].to_numpy().tolist() == [["perfect", 7, "a"]]


def test_a_translation_equal_to_the_truth_has_no_errors():
    measure = runpy.run_path(str(SCRIPT))["measure"]
    truth = np.random.default_rng(0).uniform(0.2, 0.8, (3, 32, 32)).astype(np.float32)
    labels = np.zeros((3, 32, 32), dtype=np.float32)
    labels[1, 4:10, 4:10] = 1
    found = measure(truth, truth, labels)
    assert found["SSIM"] == pytest.approx(1, abs=1e-6)
    assert found["contrast error VS"] == 0
    assert np.isnan(found["contrast error cochlea"])
    darker = np.where(labels == 1, truth / 2, truth)
    ratio = truth[labels == 1].mean() / np.median(truth[labels == 0])
    assert measure(darker, truth, labels)["contrast error VS"] == pytest.approx(ratio / 2, rel=0.02)
