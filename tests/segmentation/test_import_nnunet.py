"""Which checkpoint of a fold becomes its model. Nothing is trained."""

import shutil

import pytest
import torch
from slice_segmenter import slice_segmenter

from tanq_monai.errors import InputError
from tanq_monai.segmentation.plan.plans import space_from_plans
from tanq_monai.segmentation.training.import_nnunet import import_nnunet


def test_the_final_checkpoint_is_taken_before_the_best_one_and_that_where_it_is_alone(tmp_path):
    model = slice_segmenter(tmp_path / "model")
    results = tmp_path / "nnUNetTrainer__nnUNetPlans__2d"
    weights = torch.load(model / "model.pt", weights_only=True)
    for fold, names in {"fold_0": ("best", "final"), "fold_1": ("best",)}.items():
        (results / fold).mkdir(parents=True)
        for name in names:
            changed = {key: value + (name == "best") for key, value in weights.items()}
            torch.save({"network_weights": changed, "current_epoch": 3}, results / fold / f"checkpoint_{name}.pth")
    for name in ("plans.json", "dataset.json"):
        shutil.copy(model / name, results)
    taken = import_nnunet(results, tmp_path / "bundle", orientation="RAS")
    assert space_from_plans(tmp_path / "bundle" / "models" / "2d_fold_0" / "plans.json").orientation == "RAS"
    assert [path.name for path in taken.values()] == ["checkpoint_final.pth", "checkpoint_best.pth"]
    for folder, added in (("2d_fold_0", 0), ("2d_fold_1", 1)):
        found = torch.load(tmp_path / "bundle" / "models" / folder / "model.pt", weights_only=True)
        assert all(torch.equal(found[key], weights[key] + added) for key in weights)


@pytest.mark.parametrize("orientation", ["", "LP", "LRS", "lps", "LPSA"])
def test_an_orientation_that_is_none_is_told(tmp_path, orientation):
    with pytest.raises(InputError, match=r"orientation .*: is not three letters for where the axes point"):
        import_nnunet(tmp_path, tmp_path / "bundle", orientation=orientation)
