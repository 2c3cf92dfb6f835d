"""The engine's own doings, with a network of three weights in place of nnU-Net's."""

import json

import pytest
import torch

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
        self.fold, self.inference_allowed_mirroring_axes = "all", (0, 1)

    def save_checkpoint(self, file):
        torch.save(self.network.state_dict(), file)


def engine(folder, scale, batches):
    return NnUNetEngine(FakeNnUNet(folder, scale), batches, max_epochs=1, model_dir=folder / "models")


@pytest.mark.parametrize(("scale", "norm"), [(1000.0, 12.0), (2.0, 10.0)])
def test_gradients_are_clipped_to_norm_12_and_smaller_ones_kept(tmp_path, scale, norm):
    engine(tmp_path, scale, [BATCH]).run()
    weight = torch.load(tmp_path / "models" / "model.pt")["weight"][0]
    torch.testing.assert_close(weight, -norm * torch.tensor([0.6, 0.0, 0.8]), rtol=1e-5, atol=0)


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
