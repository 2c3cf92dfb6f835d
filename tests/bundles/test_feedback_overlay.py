"""Fine-tuning with a frozen segmenter's loss, through MONAI's workflow on the tiny phantom."""

import pandas as pd
import pytest
import torch
from bundle_workflow import workflow
from ignite.engine import Events
from slice_segmenter import slice_segmenter

from tanq_monai.errors import mistake_behind

SMALL = {"pixels": 48, "pixel_mm": 1.8, "slab_mm": 8.0, "crop": 32, "width": 4, "blocks": 2, "batch_size": 4}
SMALL |= {"max_epochs": 1, "validate_every": 0, "device": "$torch.device('cpu')"}
PARTS = ("generator", "discriminator", "projector")


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    """A training of two styles, and a segmenter of slices."""
    folder = tmp_path_factory.mktemp("trained")
    slice_segmenter(folder / "segmenter", pixel_mm=1.4)
    flow = workflow("tanq_translation", "train", **_choices(tiny_phantom, folder / "run"), start_from=None)
    flow.run()
    return folder


def _choices(data, output, **override):
    return SMALL | {"styles": ["ldn", "etz"], "dataset_dir": str(data), "output_dir": str(output)} | override


def _fine_tuning(trained, data, output, **override):
    files = {"start_from": str(trained / "run" / "models"), "segmenter_dir": str(trained / "segmenter")}
    return workflow("tanq_translation", "train", "feedback", **_choices(data, output, **(files | override)))


def _equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_goes_on_from_all_three_networks_and_leaves_the_segmenter_as_it_is(trained, tiny_phantom, tmp_path):
    flow = _fine_tuning(trained, tiny_phantom, tmp_path)
    trainer = flow.parser.get_parsed_content("train#trainer")
    kept = torch.load(trained / "run" / "checkpoint.pt", weights_only=True)
    segmenter = {name: value.clone() for name, value in trainer.feedback.segmenter.state_dict().items()}
    for name in PARTS:
        assert _equal(getattr(trainer.networks, name).state_dict(), kept[name])
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), lambda engine: engine.terminate())
    flow.run()
    assert trainer.state.iteration == 2
    assert 0 < trainer.state.output["loss_feedback"] < 10
    for name in PARTS:
        assert not _equal(getattr(trainer.networks, name).state_dict(), kept[name])
    assert _equal(trainer.feedback.segmenter.state_dict(), segmenter)
    assert not trainer.feedback.segmenter.training
    assert trainer.feedback.segmenter is flow.parser.get_parsed_content("segmenter_loss").segmenter
    assert trainer.state.learning_rate == pytest.approx(0.00002 / 2)  # the only epoch is of the schedule's second half


def test_a_finished_one_leaves_model_and_history_and_is_not_gone_on_with_by_other_choices(
    trained, tiny_phantom, tmp_path
):
    _fine_tuning(trained, tiny_phantom, tmp_path).run()
    torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert pd.read_csv(tmp_path / "history.csv")["loss_feedback"].between(0, 10).all()
    _fine_tuning(trained, tiny_phantom, tmp_path).run()  # finished: nothing is left to do
    with pytest.raises(Exception) as error:
        _fine_tuning(trained, tiny_phantom, tmp_path, feedback_weight=2.0).run()
    assert "was begun with another choice of feedback;" in str(mistake_behind(error.value))


def test_the_folder_of_the_training_itself_is_refused(trained, tiny_phantom):
    before = (trained / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(Exception) as error:
        _fine_tuning(trained, tiny_phantom, trained / "run").run()
    assert "was begun with another choice of feedback, start_from;" in str(mistake_behind(error.value))
    assert (trained / "run" / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"start_from": "nowhere"}, "nowhere/model.pt: is missing"),
        ({"start_from": None}, "start_from None: is nothing"),
        ({"width": 8}, "model.pt: does not fit the network"),
        ({"segmenter_dir": "nowhere"}, "plans.json: is missing"),
    ],
)
def test_files_that_do_not_fit_are_told_in_one_line(trained, tiny_phantom, tmp_path, override, words):
    with pytest.raises(Exception) as error:
        _fine_tuning(trained, tiny_phantom, tmp_path, **override).run()
    assert words in str(mistake_behind(error.value))
