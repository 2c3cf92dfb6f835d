"""Shifting the logits of a segmenter by what suits scans with labels."""

import pandas as pd
import pytest
import torch
from bundle_workflow import BUNDLES
from calibrate_segmenter import SHIFTS, calibrate_segmenter, shifted

from tanq_monai.errors import InputError
from tanq_monai.phantom import write_dataset
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.weights import read_state_dict

MODEL = BUNDLES / "vs_cochlea_seg" / "models"


def test_the_networks_logits_are_larger_by_the_shift_and_those_of_the_background_are_not():
    weights = read_state_dict(MODEL / "model.pt")
    network = network_from_plans(MODEL / "plans.json", MODEL / "dataset.json").eval()
    slices = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        network.load_state_dict(weights)
        before = network(slices)
        network.load_state_dict(shifted(weights, {"VS": 1.5, "cochlea": -0.5}))
        after = network(slices)
    expected = torch.tensor([0, 1.5, -0.5])[:, None, None].expand_as(after[0])
    torch.testing.assert_close((after - before)[0], expected, rtol=0, atol=1e-5)


def test_weights_without_outputs_by_class_are_refused():
    with pytest.raises(InputError, match="has no output with one bias for every class"):
        shifted({"weight": torch.zeros(3)}, {"VS": 1.0})


@pytest.mark.slow
def test_the_model_gets_the_shift_of_the_best_mean_dice_of_each_structure(tmp_path):
    write_dataset(tmp_path / "data", 0, 0, 2, size="small", seed=3)
    scans, truth = tmp_path / "data" / "validation", tmp_path / "data" / "withheld_labels" / "validation"
    calibrate_segmenter(str(MODEL), str(scans), str(truth), str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "calibration.csv").pivot(index="shift", columns="structure", values="dice")
    assert table.index.tolist() == list(SHIFTS)
    assert table.to_numpy().max() > 0.6
    before, after = (read_state_dict(folder / "model.pt") for folder in (MODEL, tmp_path / "out"))
    name = next(key for key in before if key.endswith("seg_layers.0.bias"))
    expected = [0, table["VS"].idxmax(), table["cochlea"].idxmax()]
    torch.testing.assert_close(after[name] - before[name], torch.tensor(expected), rtol=0, atol=1e-6)
