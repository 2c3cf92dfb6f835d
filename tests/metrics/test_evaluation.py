import gzip
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.metrics import average_surface_distance, dice, evaluate_case, evaluate_folder, summarize

AFFINE = np.array([[-0.5, 0, 0, 40], [0, -0.5, 0, 30], [0, 0, 1.5, -20], [0, 0, 0, 1.0]])
CASES = ("crossmoda2021_ldn_1", "crossmoda2022_etz_7")


def _labels(moved=0, vs=True):
    labels = np.zeros((16, 14, 10))
    labels[3 + moved : 8 + moved, 4:9, 3:7] = 1 if vs else 0
    labels[11:13, 6 + moved : 8 + moved, 4:6] = 2
    return labels


def _save(path, labels, affine=AFFINE):
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(labels, affine), path)


@pytest.fixture
def folders(tmp_path):
    for case in CASES:
        _save(tmp_path / "truth" / f"{case}_Label.nii.gz", _labels())
        _save(tmp_path / "prediction" / f"{case}_Label.nii.gz", _labels(moved=1).astype(np.uint8))
    return tmp_path / "prediction", tmp_path / "truth"


def test_every_case_and_structure_gets_the_scores_and_volumes_of_its_masks(folders):
    scores = evaluate_folder(*folders).scores
    assert list(zip(scores["case"], scores["structure"], strict=True)) == [
        (case, structure) for case in CASES for structure in ("VS", "cochlea")
    ]
    for value, structure in ((1, "VS"), (2, "cochlea")):
        found, true = _labels(moved=1) == value, _labels() == value
        row = scores[scores["structure"] == structure].iloc[0]
        assert row["dice"] == dice(found, true)
        assert row["assd_mm"] == average_surface_distance(found, true, spacing=(0.5, 0.5, 1.5))
        assert row["truth_mm3"] == pytest.approx(true.sum() * 0.375)
        assert row["prediction_mm3"] == pytest.approx(found.sum() * 0.375)


def test_bar_moved_by_one_of_five_voxels_has_dice_four_fifths(folders):
    scores = evaluate_folder(*folders).scores
    assert scores["dice"].iloc[0] == pytest.approx(0.8)


def test_definition_of_the_distance_reaches_the_scores(folders):
    prediction, truth = folders
    labels = _labels()
    labels[3:4] = 0
    _save(prediction / f"{CASES[0]}_Label.nii.gz", labels)
    pooled = evaluate_folder(prediction, truth, definition="pooled").scores["assd_mm"].iloc[0]
    expected = average_surface_distance(labels == 1, _labels() == 1, spacing=(0.5, 0.5, 1.5), definition="pooled")
    assert pooled == expected != evaluate_folder(prediction, truth).scores["assd_mm"].iloc[0]


def test_truth_without_vs_is_not_applicable_and_its_false_positive_volume_stays_visible(folders):
    prediction, truth = folders
    _save(truth / f"{CASES[0]}_Label.nii.gz", _labels(vs=False))
    evaluation = evaluate_folder(prediction, truth)
    row = evaluation.scores.iloc[0]
    assert np.isnan(row["dice"]) and np.isnan(row["assd_mm"])
    assert row["prediction_mm3"] == pytest.approx(100 * 0.375)
    assert summarize(evaluation.scores).loc[("VS", "dice"), ["n", "n/a"]].tolist() == [1, 1]
    assert "n/a" in str(evaluation)


def test_summary_equals_mean_sample_sd_and_median_written_out():
    scores = pd.DataFrame(
        {"structure": ["VS"] * 4, "dice": [0.5, 0.9, np.nan, 0.7], "assd_mm": [1.0, 350.0, np.nan, 3.0]}
    )
    summary = summarize(scores)
    for metric, values in (("dice", [0.5, 0.9, 0.7]), ("assd_mm", [1.0, 350.0, 3.0])):
        mean = sum(values) / 3
        row = summary.loc[("VS", metric)]
        assert row["mean"] == pytest.approx(mean)
        assert row["sd"] == pytest.approx((sum((v - mean) ** 2 for v in values) / 2) ** 0.5)
        assert row["median"] == sorted(values)[1]
        assert (row["n"], row["n/a"]) == (3, 1)


def test_summary_of_nothing_is_empty():
    scores = pd.DataFrame({"structure": [], "dice": [], "assd_mm": []})
    assert summarize(scores).empty


def _on_another_grid(path):
    _save(path, _labels(), affine=AFFINE + np.array([[0, 0, 0, 0.3]] + [[0] * 4] * 3))


def _of_another_shape(path):
    _save(path, _labels()[1:])


def _in_4d(path):
    _save(path, _labels()[..., None])


def _with_nan(path):
    labels = _labels()
    labels[0, 0, 0] = np.nan
    _save(path, labels)


def _with_fractions(path):
    _save(path, _labels() * 0.5)


def _with_label_3(path):
    _save(path, _labels() + 1)


def _truncated(path):
    path.write_bytes(path.read_bytes()[:100])


def _empty(path):
    path.write_bytes(b"")


def _not_nifti(path):
    path.write_bytes(gzip.compress(b"not an image" * 100))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.unlink(), "no such file"),
        (_on_another_grid, "0.30 mm beside"),
        (_of_another_shape, r"shape \(15, 14, 10\), the truth \(16, 14, 10\)"),
        (_in_4d, "three dimensions"),
        (_with_nan, "NaN"),
        (_with_fractions, "fractions"),
        (_with_label_3, "unknown label 3"),
        (_truncated, "cannot be read"),
        (_empty, "cannot be read"),
        (_not_nifti, "cannot be read"),
    ],
)
def test_a_bad_prediction_is_named_in_one_line_and_the_other_case_is_still_scored(folders, spoil, problem):
    prediction, truth = folders
    bad = prediction / f"{CASES[0]}_Label.nii.gz"
    spoil(bad)
    with pytest.raises(InputError, match=problem) as caught:
        evaluate_case(bad, truth / bad.name)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
    evaluation = evaluate_folder(prediction, truth)
    assert set(evaluation.scores["case"]) == {CASES[1]}
    with pytest.raises(InputErrors, match=CASES[0]):
        evaluation.raise_mistakes()


def test_a_bad_truth_is_named_too(folders):
    prediction, truth = folders
    _truncated(truth / f"{CASES[1]}_Label.nii.gz")
    evaluation = evaluate_folder(prediction, truth)
    assert set(evaluation.scores["case"]) == {CASES[0]}
    assert str(truth / CASES[1]) in str(evaluation.mistakes[0])


def test_an_affine_rounded_to_float32_is_the_same_grid(folders):
    prediction, truth = folders
    _save(prediction / f"{CASES[0]}_Label.nii.gz", _labels(), affine=AFFINE + 1e-5)
    evaluation = evaluate_folder(prediction, truth)
    evaluation.raise_mistakes()
    assert set(evaluation.scores["case"]) == set(CASES)


def test_missing_and_empty_folders_are_named(folders, tmp_path):
    prediction, truth = folders
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        evaluate_folder(tmp_path / "nowhere", truth)
    shutil.rmtree(truth)
    truth.mkdir()
    with pytest.raises(InputError, match="truth: holds no"):
        evaluate_folder(prediction, truth)


def test_saved_scores_read_back_and_nothing_unfinished_stays(folders, tmp_path):
    evaluation = evaluate_folder(*folders)
    evaluation.save(tmp_path / "new" / "scores")
    folder = tmp_path / "new" / "scores"
    assert sorted(path.name for path in folder.iterdir()) == ["scores.csv", "summary.csv", "summary.txt"]
    pd.testing.assert_frame_equal(pd.read_csv(folder / "scores.csv"), evaluation.scores, atol=1e-6)
    summary = pd.read_csv(folder / "summary.csv", index_col=["structure", "metric"])
    pd.testing.assert_frame_equal(summary, summarize(evaluation.scores), atol=1e-6)
    assert (folder / "summary.txt").read_text() == f"{evaluation}\n"


def test_unwritable_output_is_named(folders, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/scores: cannot be written"):
        evaluate_folder(*folders).save(tmp_path / "file" / "scores")
