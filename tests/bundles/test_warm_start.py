"""Training that goes on from an earlier one, through MONAI's workflows; the experiment's arithmetic."""

import runpy

import numpy as np
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES, workflow
from ignite.engine import Events

from tanq_monai.errors import mistake_behind
from tanq_monai.translation.model_choices import PAPER

SMALL = {"pixels": 64, "pixel_mm": 1.4, "slab_mm": 12.0, "crop": 32, "batch_size": 2, "max_epochs": 2}
SMALL |= {"validate_every": 0, "device": "$torch.device('cpu')"}
SCRIPT = BUNDLES.parent / "scripts" / "warm_start.py"


def _flow(data, output, *overlays, **choices):
    folders = {"dataset_dir": str(data), "output_dir": str(output)}
    return workflow("tanq_translation", "train", *overlays, **(SMALL | folders | choices))


@pytest.fixture(scope="module")
def earlier(slow, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("earlier")
    _flow(tiny_phantom, output, "keep_epochs", start_from=None, width=4, blocks=2).run()
    return output


def _weights(path):
    return torch.load(path, weights_only=True)


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_overlay_keeps_the_generator_of_every_epoch(earlier):
    epochs = [_weights(earlier / "epochs" / f"generator_epoch={number}.pt") for number in (1, 2)]
    assert not _equal(*epochs)
    assert _equal(epochs[1], _weights(earlier / "models" / "model.pt"))


def test_training_starts_from_an_earlier_one_and_a_resumed_one_from_its_checkpoint(tiny_phantom, earlier, tmp_path):
    seen = []

    def note(engine):
        seen.append({name: value.clone() for name, value in engine.network.state_dict().items()})

    def run(stop):
        trainer = _flow(tiny_phantom, tmp_path, start_from=str(earlier / "models")).parser.get_parsed_content(
            "train#trainer"
        )
        with trainer.add_event_handler(Events.EPOCH_STARTED, note):
            if stop:
                trainer.add_event_handler(Events.ITERATION_COMPLETED(once=trainer.state.epoch_length), note)
                trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: engine.terminate())
            trainer.run()

    run(stop=True)
    run(stop=False)
    first, after_one_epoch, resumed = seen
    assert _equal(first, _weights(earlier / "models" / "model.pt"))
    assert not _equal(first, after_one_epoch)
    assert _equal(resumed, after_one_epoch)


def test_an_earlier_training_of_another_width_is_reported_in_one_line(tiny_phantom, earlier, tmp_path):
    flow = _flow(tiny_phantom, tmp_path, width=8, start_from=str(earlier / "models"))
    with pytest.raises(Exception) as error:
        flow.run()
    assert "model.pt: does not fit the network" in str(mistake_behind(error.value))


def test_a_training_from_nothing_has_the_sizes_of_the_paper():
    train = yaml.safe_load((BUNDLES / "tanq_translation/configs/train.yaml").read_text())
    for name in ("pixels", "pixel_mm", "slab_mm", "width", "blocks"):
        assert train[name] == f'$@begun_with["{name}"]'
    slices = {"pixels": 256, "pixel_mm": 0.41, "slab_mm": 60.0, "styles": [""]}
    assert {**slices, "width": 64, "blocks": 6, "structures": {"VS": 1, "cochlea": 2}} == PAPER


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
