"""What is taken from nnU-Net's trainers."""

import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.segmentation.training.nnunet import Settings, find_trainer, prepare_batch, set_up_nnunet

CPU = torch.device("cpu")


def test_a_trainer_is_found_by_its_name():
    assert find_trainer("nnUNetTrainerAdam").__name__ == "nnUNetTrainerAdam"


@pytest.mark.parametrize("name", ["nnUNetTrainerAdams", "os", "join"])
def test_what_is_no_trainer_is_a_mistake(name):
    with pytest.raises(InputError, match=f"trainer {name}: is not one of nnU-Net's"):
        find_trainer(name)


def test_every_output_of_deep_supervision_gets_its_labels():
    image, fine, coarse = torch.rand(2, 1, 8, 8), torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 4, 4)
    inputs, targets = prepare_batch({"data": image, "target": [fine, coarse]}, CPU)
    assert torch.equal(inputs, image)
    assert isinstance(targets, list)
    assert [t.shape for t in targets] == [fine.shape, coarse.shape]


def test_without_deep_supervision_the_labels_stay_one_tensor():
    label = torch.ones(2, 1, 8, 8)
    _, target = prepare_batch({"data": torch.rand(2, 1, 8, 8), "target": label}, CPU)
    assert isinstance(target, torch.Tensor)
    assert torch.equal(target, label)


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (0, "fold: 0 of 5 needs at least 5 patients, there are 4; give more patients or choose --fold all"),
        (5, "fold: 5 is not in nnU-Net's split; choose all or 0-4"),
        ("none", "fold: 'none' is not in nnU-Net's split"),
    ],
)
def test_a_fold_that_does_not_exist_is_told_before_anything_is_written(fold, words, tmp_path):
    with pytest.raises(InputError, match=words):
        set_up_nnunet([{"image": f"{n}.nii.gz"} for n in range(4)], tmp_path / "run", Settings(fold=fold), CPU)
    assert not (tmp_path / "run").exists()
