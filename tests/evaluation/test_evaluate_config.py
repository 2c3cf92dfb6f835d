"""``configs/evaluate.yaml`` and the command of the same name as a user runs them."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typed import mistakes, run_bundle, run_command


def _save(path, moved):
    labels = np.zeros((12, 12, 8))
    labels[2 + moved : 6 + moved, 2:6, 2:6] = 1
    labels[9:11, 6:8, 4:6] = 2
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(labels, np.diag([-0.5, -0.5, 1.5, 1])), path)


@pytest.fixture
def folders(tmp_path):
    """A truth of two cases, a prediction of both, and other predictions of the first alone."""
    for number in (1, 2):
        _save(tmp_path / "truth" / f"crossmoda2021_ldn_{number}_Label.nii.gz", moved=0)
        _save(tmp_path / "prediction" / f"crossmoda2021_ldn_{number}_Label.nii.gz", moved=number)
    _save(tmp_path / "others" / "crossmoda2021_ldn_1_Label.nii.gz", moved=2)
    return tmp_path


def _command(folder, *options):
    return run_command("evaluate", "--truth", folder / "truth", *options)


def test_config_and_command_give_the_same_files_and_name_the_missing_case(folders):
    paths = folders / "prediction", folders / "others"
    given = {"truth_dir": folders / "truth", "prediction_dir": paths[0], "against_dir": paths[1]}
    of_bundle = run_bundle("vs_cochlea_seg", "evaluate", output_dir=folders / "of_bundle", **given)
    of_command = _command(folders, "--pred", paths[0], "--against", paths[1], "--output-dir", folders / "of_command")
    for done in (of_bundle, of_command):
        (mistake,) = mistakes(done)
        assert "others/crossmoda2021_ldn_2_Label.nii.gz: does not exist" in mistake
        assert (folders / "of_command" / "summary.txt").read_text() in done.stdout
    names = ["comparison.csv", "scores.csv", "summary.csv", "summary.tex", "summary.txt"]
    assert sorted(path.name for path in (folders / "of_command").glob("[!.]*")) == sorted(["provenance.json", *names])
    for name in names:
        assert (folders / "of_bundle" / name).read_text() == (folders / "of_command" / name).read_text()
    scores = pd.read_csv(folders / "of_command" / "scores.csv")
    assert scores["structure"].tolist() == ["VS", "cochlea"] * 2
    np.testing.assert_allclose(scores["dice"], [0.75, 1.0, 0.5, 1.0])
    comparison = pd.read_csv(folders / "of_command" / "comparison.csv", index_col=["structure", "metric"])
    assert comparison.loc[("VS", "dice"), ["difference", "n"]].tolist() == pytest.approx([0.25, 1])


def test_the_command_alone_prints_and_writes_nothing(folders):
    before = sorted(folders.rglob("*"))
    done = _command(folders, "--pred", folders / "prediction", "--structures", '{"any": [1, 2]}')
    assert done.stdout.split()[:3] == ["mean", "sd", "median"]
    assert "any" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(folders.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--pred", "nowhere"), "nowhere: is not a folder"),
        (("--pred", "{0}/prediction", "--against", "nowhere"), "nowhere: is not a folder"),
        (("--pred", "{0}/prediction", "--structures", "VS=1"), "--structures VS=1: is not {VS: 1, cochlea: 2}"),
        (("--pred", "{0}/prediction", "--assd", "mean"), "--assd mean: is not directed or pooled"),
        (("--pred", "{0}/prediction", "--seed", "x"), "--seed x: is not a whole number"),
        (("--pred", "{0}/prediction", "--structures", '{{"VS": 3}}'), "holds unknown label 1, 2; use only [0, 3]"),
    ],
)
def test_a_mistake_is_told_in_one_line_each_and_nothing_is_written(folders, options, told):
    options = [option.format(folders) for option in options]
    done = _command(folders, "--output-dir", folders / "out", *options)
    assert mistakes(done) == done.stderr.splitlines()
    assert all(told in line for line in mistakes(done))
    assert not (folders / "out").exists()


def test_a_prediction_on_another_grid_is_told_and_the_other_case_scored(folders):
    path = folders / "prediction" / "crossmoda2021_ldn_2_Label.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((12, 12, 8)), np.diag([-0.5, -0.5, 1.0, 1])), path)
    done = _command(folders, "--pred", folders / "prediction", "--output-dir", folders / "out")
    (mistake,) = mistakes(done)
    assert "beside the truth (affines differ); resample it" in mistake
    assert pd.read_csv(folders / "out" / "scores.csv")["case"].unique().tolist() == ["crossmoda2021_ldn_1"]
