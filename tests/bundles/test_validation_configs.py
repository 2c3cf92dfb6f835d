"""Validation and tracking of a training, as train.yaml puts them together."""

import sqlite3

import numpy as np
import pandas as pd
import pytest
from bundle_workflow import BUNDLES, workflow
from monai.bundle import ConfigParser, ConfigWorkflow
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tanq_monai.phantom import write_dataset

CONFIGS = BUNDLES / "tanq_translation" / "configs"
MLFLOW = str(CONFIGS / "tracking" / "mlflow.yaml")
SMALL = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "device": "$torch.device('cpu')"}
TRAINING = SMALL | {"crop": 64, "slab_mm": 12.0, "max_epochs": 2, "batch_size": 2, "validation_slices": 3}
TRAINING |= {"start_from": None}


def _train(data, output, **override):
    folders = {"dataset_dir": str(data), "output_dir": str(output)}
    workflow("tanq_translation", "train", **(TRAINING | folders | override)).run()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_dataset(folder, num_source=0, num_target=0, num_test=0, num_paired=1, size="tiny", seed=1)
    return folder / "paired"


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, pairs, tmp_path_factory):
    output = tmp_path_factory.mktemp("validated")
    _train(tiny_phantom, output, validate_every=1, paired_dir=str(pairs))
    return output


def test_every_validation_has_a_row_of_finite_values(trained):
    table = pd.read_csv(trained / "validation.csv", index_col="epoch")
    assert table.index.tolist() == [1, 2]
    assert {"kept_VS", "off_range_VS", "contrast_VS", "distance", "paired_ssim", "paired_contrast_error_VS"} <= {*table}
    table = table.drop(columns="kept_cochlea")  # of a few pixels at this size, too few to see their border
    assert np.isfinite(table.to_numpy()).all()


def test_losses_rates_and_validation_go_to_tensorboard_and_so_do_pictures(trained):
    scalars = EventAccumulator(str(trained / "logs")).Reload()
    assert {"loss", "loss_adversarial", "learning_rate", "kept_VS", "paired_psnr"} <= {*scalars.Tags()["scalars"]}
    table = pd.read_csv(trained / "validation.csv")
    assert [event.step for event in scalars.Scalars("kept_VS")] == [1, 2]
    np.testing.assert_allclose([event.value for event in scalars.Scalars("kept_VS")], table["kept_VS"], rtol=1e-6)
    pictures = EventAccumulator(str(trained / "logs" / "pictures")).Reload()
    assert pictures.Tags()["images"] == ["translation/0", "translation/1"]


def test_monais_tracking_finds_trainer_and_handlers_where_its_settings_say():
    parser = ConfigParser()
    parser.read_config(str(CONFIGS / "train.yaml"))
    before = len(parser["train#handlers"])
    settings = ConfigParser.load_config_files(MLFLOW)
    settings["configs"] |= {"save_execute_config": False}
    ConfigWorkflow.patch_bundle_tracking(parser, settings)
    assert len(parser["train#handlers"]) == before + 1
    assert parser["train#handlers"][-1]["_target_"] == "monai.handlers.MLFlowHandler"


@pytest.mark.slow
def test_losses_and_validation_go_to_mlflow(tiny_phantom, tmp_path):
    pytest.importorskip("mlflow")
    _train(tiny_phantom, tmp_path, validate_every=2, tracking=MLFLOW)
    with sqlite3.connect(tmp_path / "mlruns.db") as database:
        keys = {key for (key,) in database.execute("select distinct key from metrics")}
    assert {"loss", "loss_adversarial", "lr_group_0", "kept_VS", "distance"} <= keys
