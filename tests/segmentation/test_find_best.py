"""nnU-Net chooses among validations that were written by hand. Nothing is trained."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from slice_segmenter import slice_segmenter

from tanq_monai.segmentation.training.folders import DATASET, PLANS, RunFolders
from tanq_monai.segmentation.training.selection import select_models

# nnU-Net's find_best_configuration leaves the file of its instructions open.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*inference_instructions.txt")
CASES = ("one", "two")


def label_map(stray: bool) -> np.ndarray:
    """A VS of one piece and two cochleae; with a false piece of VS far away."""
    label = np.zeros((16, 16, 8), np.uint8)
    label[3:7, 5:9, 2:6], label[1, 2, 3], label[14, 2, 3] = 1, 2, 2
    label[13:15, 12:15, 6] = stray
    return label


def run_with_validations(root: Path, stray: bool) -> Path:
    """One 2D training of two folds, each with its case predicted."""
    model = slice_segmenter(root / "model")
    folders = RunFolders(root / "run")
    trained = folders.results / DATASET / f"nnUNetTrainer__{PLANS}__2d"
    truths = folders.preprocessed / "gt_segmentations"
    truths.mkdir(parents=True)
    for fold, case in enumerate(CASES):
        validation = trained / f"fold_{fold}" / "validation"
        validation.mkdir(parents=True)
        (validation / "summary.json").write_text("{}")
        nib.save(nib.Nifti1Image(label_map(stray), np.eye(4)), validation / f"{case}.nii.gz")
        nib.save(nib.Nifti1Image(label_map(False), np.eye(4)), truths / f"{case}.nii.gz")
        shutil.copytree(model, folders.root / "models" / f"2d_fold_{fold}")
    shutil.copy(model / "plans.json", folders.plans_file)
    shutil.copy(model / "plans.json", trained)
    shutil.copy(model / "dataset.json", trained)
    return folders.root


@pytest.mark.parametrize(("stray", "postprocessing"), [(True, [[1]]), (False, [])])
def test_the_structure_whose_largest_piece_is_better_alone_is_written_down(tmp_path, stray, postprocessing):
    run = run_with_validations(tmp_path, stray)
    chosen = select_models(run, ["2d"], [0, 1], num_processes=0)
    assert chosen["groups"] == [["2d_fold_0", "2d_fold_1"]]
    assert chosen["postprocessing"] == postprocessing
    vs_dice = 2 * 64 / (64 + 64 + 6 * stray)
    assert list(chosen["dice"].values()) == pytest.approx([(vs_dice + 1) / 2])
    assert json.loads((run / "models" / "ensemble.json").read_text()) == chosen
