"""``configs/evaluate.yaml`` as a user runs it."""

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

BUNDLE = Path(__file__).parents[2] / "bundles" / "vs_cochlea_seg"


def _save(path, moved):
    labels = np.zeros((12, 12, 8))
    labels[2 + moved : 6 + moved, 2:6, 2:6] = 1
    labels[9:11, 6:8, 4:6] = 2
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(labels, np.diag([-0.5, -0.5, 1.5, 1])), path)


def test_evaluate_scores_the_good_case_names_the_missing_one_and_exits_with_1(tmp_path):
    for number in (1, 2):
        _save(tmp_path / "truth" / f"crossmoda2021_ldn_{number}_Label.nii.gz", moved=0)
    _save(tmp_path / "prediction" / "crossmoda2021_ldn_1_Label.nii.gz", moved=1)
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/evaluate.yaml"]
    command += ["--meta_file", "configs/metadata.json", "--logging_file", "configs/logging.conf"]
    command += ["--dataset_dir", tmp_path / "prediction", "--truth_dir", tmp_path / "truth"]
    command += ["--output_dir", tmp_path / "out"]
    done = subprocess.run(command, cwd=BUNDLE, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    mistakes = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(mistakes) == 1
    assert "crossmoda2021_ldn_2_Label.nii.gz: there is no such file" in mistakes[0]
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "summary.txt").read_text() in done.stdout
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores["case"].tolist() == ["crossmoda2021_ldn_1"] * 2
    assert scores["structure"].tolist() == ["VS", "cochlea"]
    np.testing.assert_allclose(scores["dice"], [0.75, 1.0])
