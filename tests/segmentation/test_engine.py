"""The engine's own doings, with a network of three weights in place of nnU-Net's."""

import json

import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.engine import NnUNetEngine, plain_state

BATCH = {"data": torch.tensor([[3.0, 0.0, 4.0]]), "target": torch.zeros(1)}  # gradient of the sum: norm 5


class FakeNnUNet:
    """Has of nnU-Net's trainer what the engine uses; plain gradient descent with step 1 on ``scale`` x output."""

    def __init__(self, folder, scale):
        self.device, self.grad_scaler = torch.device("cpu"), None
        self.network = torch.nn.Linear(3, 1, bias=False)
        torch.nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1.0)
        self.loss = lambda output, target: scale * output.sum()
        self.lr_scheduler = type("Constant", (), {"step": lambda self, epoch: None})()
        self.output_folder = str(folder / "results" / "fold_all")
        self.output_folder_base = str(folder / "results")
        self.preprocessed_dataset_folder_base = str(folder)
        (folder / "dataset_fingerprint.json").write_text("{}")
        self.plans_manager = type("Plans", (), {"plans": {}})()
        self.configuration_name, self.dataset_json = "2d", {"labels": {}}
        self.dataloader_train = self.dataloader_val = None
        self.logger = type("Logger", (), {"load_checkpoint": lambda self, curves: None})()
        self.fold, self.inference_allowed_mirroring_axes = "all", (0, 1)

    seed = 0

    def save_checkpoint(self, file):
        checkpoint = {"network_weights": self.network.state_dict(), "optimizer_state": self.optimizer.state_dict()}
        checkpoint |= {"current_epoch": self.current_epoch + 1, "init_args": {}, "logging": {}}
        torch.save(checkpoint | {"grad_scaler_state": None}, file)


def engine(folder, scale, batches, **choices):
    return NnUNetEngine(FakeNnUNet(folder, scale), batches, max_epochs=1, model_dir=folder / "models", **choices)


@pytest.mark.parametrize(("scale", "norm"), [(1000.0, 12.0), (2.0, 10.0)])
def test_gradients_are_clipped_to_norm_12_and_smaller_ones_kept(tmp_path, scale, norm):
    engine(tmp_path, scale, [BATCH]).run()
    weight = torch.load(tmp_path / "models" / "model.pt")["weight"][0]
    torch.testing.assert_close(weight, -norm * torch.tensor([0.6, 0.0, 0.8]), rtol=1e-5, atol=0)


@pytest.fixture
def initial(tmp_path):
    """A model folder, and its weights."""
    weight = torch.tensor([[8.0, -4.0, 2.0]])
    (tmp_path / "initial").mkdir()
    torch.save({"weight": weight}, tmp_path / "initial" / "model.pt")
    return tmp_path / "initial", weight[0]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_final_weights_have_their_share_of_the_initial_ones(share, initial, tmp_path):
    model, weight = initial
    engine(tmp_path, 2.0, [BATCH], initial_model=model, initial_share=share).run()
    trained = -10 * torch.tensor([0.6, 0.0, 0.8])  # from 0, where this network begins
    for file in (tmp_path / "models" / "model.pt", tmp_path / "results" / "fold_all" / "checkpoint_final.pth"):
        final = torch.load(file)
        final = final.get("network_weights", final)["weight"][0]
        torch.testing.assert_close(final, share * weight + (1 - share) * trained, msg=lambda m, f=file: f"{f}: {m}")


def test_a_finished_run_that_is_started_again_takes_no_further_share(initial, tmp_path):
    choices = {"initial_model": initial[0], "initial_share": 0.5}
    engine(tmp_path, 2.0, [BATCH], **choices).run()
    first = torch.load(tmp_path / "models" / "model.pt")["weight"]
    engine(tmp_path, 2.0, [BATCH], **choices).run()
    assert torch.equal(torch.load(tmp_path / "models" / "model.pt")["weight"], first)


def test_a_run_that_was_killed_behind_its_last_epoch_still_gets_its_share_and_its_final_checkpoint(initial, tmp_path):
    choices = {"initial_model": initial[0], "initial_share": 0.5}
    engine(tmp_path, 2.0, [BATCH], **choices).run()
    expected = torch.load(tmp_path / "models" / "model.pt")["weight"]
    results = tmp_path / "results" / "fold_all"
    (results / "checkpoint_final.pth").unlink()
    killed = engine(tmp_path, 2.0, [BATCH], **choices)
    killed._keep_initial_share = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert [file.name for file in results.iterdir()] == ["checkpoint_latest.pth"]
    engine(tmp_path, 2.0, [BATCH], **choices).run()
    assert torch.equal(torch.load(tmp_path / "models" / "model.pt")["weight"], expected)
    assert [file.name for file in results.iterdir()] == ["checkpoint_final.pth"]


def test_a_share_of_no_initial_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="initial_share: has no initial_model to be a share of"):
        engine(tmp_path, 1.0, [BATCH], initial_share=0.5)


def test_a_finished_run_leaves_its_model_folder_and_final_checkpoint_only(tmp_path):
    engine(tmp_path, 1.0, [BATCH]).run()
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["dataset.json", "model.pt", "plans.json"]
    assert [p.name for p in (tmp_path / "results" / "fold_all").iterdir()] == ["checkpoint_final.pth"]
    plans = json.loads((tmp_path / "models" / "plans.json").read_text())
    assert plans == {"trained_configuration": "2d", "inference_allowed_mirroring_axes": [0, 1]}


def test_weights_of_two_names_are_written_once_also_where_their_axes_were_turned_for_the_processor(tmp_path):
    """nnU-Net's blocks name every layer twice."""
    conv = torch.nn.Conv2d(8, 16, 3)
    network = torch.nn.ModuleDict({"conv": conv, "again": torch.nn.Sequential(conv)}).to(
        memory_format=torch.channels_last
    )
    assert not network["conv"].weight.is_contiguous()
    torch.save(plain_state(network), tmp_path / "model.pt")
    written = torch.load(tmp_path / "model.pt", weights_only=True)
    assert written.keys() == network.state_dict().keys()
    assert written["conv.weight"].is_contiguous()
    assert torch.equal(written["again.0.weight"], conv.weight)
    assert written["conv.weight"].data_ptr() == written["again.0.weight"].data_ptr()
    assert (tmp_path / "model.pt").stat().st_size < 4 * sum(p.numel() for p in conv.parameters()) + 3000
