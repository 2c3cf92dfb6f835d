"""Cases that a client of the bundle, such as MONAI Label, gives as a list: they fine-tune the bundle's own model."""

import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import BUNDLES, workflow
from ignite.engine import Events

from tanq_monai.errors import mistake_behind

MODEL = "vs_cochlea_seg"
SHORT = {"iterations_per_epoch": 2, "num_processes": 0, "batch_size": 2, "device": "cpu"}
SCRATCH = {"configuration": "2d", "plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]}}


def pairs(folder, suffix="ceT1"):
    """What MONAI Label gives in place of ``train#dataset#data``."""
    labels = sorted(folder.glob("*_Label.nii.gz"))
    return [{"image": str(p).replace("_Label", f"_{suffix}"), "label": str(p)} for p in labels]


def training(bundle, **override):
    """train.yaml as MONAI Label runs it: by ids, with the bundle's folder as ``bundle_root``."""
    return workflow(MODEL, "train", **(SHORT | override | {"bundle_root": str(bundle)}))


def weights(bundle):
    return torch.load(bundle / "models" / "model.pt", weights_only=True)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def source(tiny_phantom):
    return tiny_phantom / "training_source"


@pytest.fixture(scope="module")
def first_model(slow, source, tmp_path_factory):
    """A model folder, trained on the ceT1 scans."""
    run = tmp_path_factory.mktemp("run")
    workflow(MODEL, "train", **SHORT, **SCRATCH, dataset_dir=str(source), output_dir=str(run), max_epochs=1).run()
    return run / "models" / "2d_fold_all"


@pytest.fixture
def bundle(first_model, tmp_path):
    """A bundle folder with weights."""
    shutil.copytree(first_model, tmp_path / "bundle" / "models")
    return tmp_path / "bundle"


def test_a_list_of_cases_fine_tunes_the_bundles_model_where_inference_finds_it(source, bundle):
    before = weights(bundle)
    given = {"train#dataset#data": pairs(source)[:2], "validate#dataset#data": pairs(source)[2:]}
    flow = training(bundle, **given, **{"train#trainer#max_epochs": 3})
    assert flow.check_properties() == []
    flow.run()
    assert not equal(weights(bundle), before)
    assert flow.trainer.nnunet.num_epochs == 3  # length of the poly schedule
    assert flow.trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.001 * (1 / 3) ** 0.9)
    assert list(flow.train_dataset) == pairs(source)[:2]


def test_it_begins_with_the_bundles_weights_every_time(source, bundle):
    before = weights(bundle)
    for number in (1, 2):  # a learning rate of 0 leaves them as they are
        training(bundle, **{"train#dataset#data": pairs(source)[:2]}, learning_rate=0.0, max_epochs=1).run()
        assert equal(weights(bundle), before)
        assert len(list((bundle / "runs" / "fine_tune").iterdir())) == number


def test_a_share_of_the_bundles_weights_is_kept_in_every_one_of_the_networks(source, bundle):
    """nnU-Net names most of them three times: a share must be taken once."""
    before, given = weights(bundle), {"train#dataset#data": pairs(source)[:2], "max_epochs": 1}
    training(bundle, **given).run()
    trained = weights(bundle)
    torch.save(before, bundle / "models" / "model.pt")
    training(bundle, **given, initial_share=0.25).run()
    for name, weight in weights(bundle).items():
        torch.testing.assert_close(
            weight, 0.25 * before[name] + 0.75 * trained[name], msg=lambda m, n=name: f"{n}: {m}"
        )


def test_a_folder_of_cases_is_fine_tuned_on_when_asked_for(source, bundle):
    before = weights(bundle)
    training(bundle, dataset_dir=str(source), fine_tune=True, learning_rate=0.0, max_epochs=1).run()
    assert equal(weights(bundle), before)
    assert list((bundle / "runs").iterdir()) == [bundle / "runs" / "fine_tune"]


def test_one_that_was_stopped_goes_on_though_a_handler_loads_the_first_weights_again(source, bundle):
    choices = {"train#dataset#data": pairs(source)[:2], "max_epochs": 2}
    stopped = training(bundle, **choices)

    @stopped.trainer.on(Events.EPOCH_STARTED(once=2))
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    after_one_epoch = {k: v.clone() for k, v in stopped.trainer.network.state_dict().items()}

    loader = {
        "_target_": "CheckpointLoader",
        "load_path": str(bundle / "models" / "model.pt"),
        "load_dict": {"model": "$@network"},
        "strict": False,
    }
    resumed = training(bundle, **choices, learning_rate=0.0, **{"train#handlers": [loader]})
    resumed.run()
    assert resumed.trainer.state.iteration == 4
    assert equal(weights(bundle), after_one_epoch)


def test_the_whole_config_can_be_evaluated_at_once_and_no_folder_is_looked_for(source, bundle):
    """MONAI Label's viewers send an empty ``run_id``, which names the whole config."""
    before = weights(bundle)
    flow = training(bundle, **{"train#dataset#data": pairs(source)[:1]}, max_epochs=1, dataset_dir="nowhere")
    flow.parser.get_parsed_content("")
    assert flow.parser.get_parsed_content("train#trainer").state.iteration == 2
    assert not equal(weights(bundle), before)


def _unknown_value(folder):
    label = sorted(folder.glob("*_Label.nii.gz"))[0]
    nib.save(nib.Nifti1Image(np.full(nib.load(label).shape, 7, np.uint8), nib.load(label).affine), label)
    return pairs(folder), f"{label.name}: holds unknown label 7"


def _one_name(folder):
    return pairs(folder) + pairs(folder), "train#dataset#data: holds two scans of one name"


def _none(folder):
    return [], "train#dataset#data: holds no labelled scan; label one first"


@pytest.mark.parametrize("damage", [_unknown_value, _one_name, _none])
def test_a_list_that_cannot_be_used_is_told_and_the_model_stays(damage, source, bundle, tmp_path):
    shutil.copytree(source, tmp_path / "data")
    before, (data, words) = weights(bundle), damage(tmp_path / "data")
    with pytest.raises(Exception) as error:
        training(bundle, **{"train#dataset#data": data}, max_epochs=1).run()
    assert words in str(mistake_behind(error.value))
    assert equal(weights(bundle), before)


def test_without_a_model_there_is_nothing_to_fine_tune(source, tmp_path):
    shutil.copytree(BUNDLES / MODEL / "configs", tmp_path / "configs")
    with pytest.raises(Exception) as error:
        training(tmp_path, **{"train#dataset#data": pairs(source)}, max_epochs=1).run()
    assert "plans.json: is missing; train first" in str(mistake_behind(error.value))
