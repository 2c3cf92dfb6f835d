import gzip
import os
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from files import NO_TEXT

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.evaluation.folder import evaluate_folder
from tanq_monai.evaluation.scoring import evaluate_case
from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.statistics import summarize
from tanq_monai.metrics.surface_distance import average_surface_distance
from tanq_monai.structures import ScoredStructures

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


def test_a_structure_that_no_truth_has_is_told_in_a_sentence_and_is_no_error(folders):
    prediction, truth = folders
    for case in CASES:
        _save(truth / f"{case}_Label.nii.gz", _labels(vs=False))
    evaluation = evaluate_folder(prediction, truth)
    evaluation.raise_mistakes()
    assert "VS: absent from the truth of every case, so n/a." in str(evaluation).splitlines()
    assert evaluation.summary.loc[("all", "VS", "dice"), ["n", "n/a"]].tolist() == [0, 2]
    assert "nan" not in str(evaluation).lower()


def test_a_truth_without_any_structure_is_an_error(folders):
    prediction, truth = folders
    for case in CASES:
        _save(truth / f"{case}_Label.nii.gz", 0 * _labels())
    with pytest.raises(InputError, match="truth: has no VS, cochlea in any case"):
        evaluate_folder(prediction, truth)


def test_three_labels_are_scored_one_by_one_and_as_a_union(folders, tmp_path):
    def three(moved):
        labels = _labels(moved)
        labels[labels == 2] = 3
        labels[:5][labels[:5] == 1] = 2
        return labels

    for case in CASES:
        _save(tmp_path / "truth3" / f"{case}_Label.nii.gz", three(0))
        _save(tmp_path / "prediction3" / f"{case}_Label.nii.gz", three(1))
    folders3 = tmp_path / "prediction3", tmp_path / "truth3"
    union = evaluate_folder(*folders3, structures=ScoredStructures({"VS": [1, 2], "cochlea": 3}))
    pd.testing.assert_frame_equal(union.scores, evaluate_folder(*folders).scores)
    assert str(union) == str(evaluate_folder(*folders))
    several = ScoredStructures({"VS": [1, 2], "VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    scores = evaluate_folder(*folders3, structures=several).scores
    assert scores["structure"].tolist() == 2 * list(several)
    inner = three(1) == 1, three(0) == 1
    assert scores["dice"][1] == dice(*inner) != scores["dice"][0]
    assert scores["truth_mm3"][0] == scores["truth_mm3"][1] + scores["truth_mm3"][2]


def test_scores_are_those_of_the_whole_volumes_although_a_box_is_cut_out(tmp_path):
    generator = np.random.default_rng(0)
    true, found = (np.zeros((30, 28, 26), dtype=np.uint8) for _ in range(2))
    true[10:20, 9:15, 8:20] = generator.integers(0, 3, (10, 6, 12))
    found[8:18, 9:15, 8:20] = generator.integers(0, 3, (10, 6, 12))
    found[-1, -1, 0] = 1
    for name, labels in (("found", found), ("true", true)):
        _save(tmp_path / f"{name}.nii.gz", labels)
    for score, value in zip(evaluate_case(tmp_path / "found.nii.gz", tmp_path / "true.nii.gz"), (1, 2), strict=True):
        assert score.dice == dice(found == value, true == value)
        whole = average_surface_distance(found == value, true == value, spacing=(0.5, 0.5, 1.5))
        assert score.assd_mm == pytest.approx(whole, abs=1e-12)


def test_sites_are_summarized_by_themselves_when_there_are_several(folders):
    evaluation = evaluate_folder(*folders)
    assert evaluation.summary.index.unique("site").tolist() == ["all", "ldn", "etz"]
    assert evaluation.summary.loc[("etz", "VS", "dice"), "mean"] == evaluation.scores["dice"].iloc[2]


def test_other_predictions_are_scored_and_compared_as_if_by_themselves(folders, tmp_path):
    prediction, truth = folders
    for case, moved in zip(CASES, (2, 3), strict=True):
        _save(tmp_path / "run" / f"{case}_Label.nii.gz", _labels(moved))
    evaluation = evaluate_folder(prediction, truth, against_dir=tmp_path / "run", seed=3)
    others = evaluate_folder(tmp_path / "run", truth)
    pd.testing.assert_frame_equal(evaluation.against, others.scores)
    pd.testing.assert_frame_equal(evaluation.comparison, compare(evaluation.scores, others.scores, seed=3))
    assert evaluation.comparison.loc[("VS", "dice"), "difference"] == pytest.approx(0.8 - (0.6 + 0.4) / 2)
    assert "difference: prediction minus run." in str(evaluation)


def test_a_case_that_only_one_of_two_has_is_a_mistake_and_counts_in_no_pair(folders, tmp_path):
    prediction, truth = folders
    _save(tmp_path / "run" / f"{CASES[0]}_Label.nii.gz", _labels(2))
    evaluation = evaluate_folder(prediction, truth, against_dir=tmp_path / "run")
    assert evaluation.comparison["n"].tolist() == [1] * 4
    assert len(evaluation.scores) == 4
    assert [str(mistake).split(":")[0] for mistake in evaluation.mistakes] == [
        str(tmp_path / "run" / f"{CASES[1]}_Label.nii.gz")
    ]
    assert "nan" not in str(evaluation).lower()


@pytest.mark.parametrize("where", [0, 1], ids=["prediction", "truth"])
def test_a_case_with_two_labels_is_a_mistake_and_the_others_are_scored(folders, where):
    second = folders[where] / f"{CASES[0]}_Label.nii"
    _save(second, _labels())
    evaluation = evaluate_folder(*folders)
    assert set(evaluation.scores["case"]) == {CASES[1]}
    assert [str(mistake) for mistake in evaluation.mistakes] == [
        f"{max(second, second.with_suffix('.nii.gz'))}: is the second label of {CASES[0]}; keep one"
    ]


def test_a_prediction_compared_with_itself_does_not_differ(folders):
    prediction, truth = folders
    table = evaluate_folder(prediction, truth, against_dir=prediction).comparison
    assert (table[["difference", "ci_low", "ci_high"]] == 0).all(axis=None)
    assert table[["p_t", "p_wilcoxon", "d_z"]].isna().all(axis=None)


def test_folders_of_one_name_are_told_apart_by_the_folders_above(folders, tmp_path):
    prediction, truth = folders
    for run in ("plain", "refined"):
        shutil.copytree(prediction, tmp_path / run / "labels")
    refined, plain = tmp_path / "refined/labels", tmp_path / "plain/labels"
    assert evaluate_folder(refined, truth, against_dir=plain).names == ("refined/labels", "plain/labels")
    assert len(set(evaluate_folder(plain, truth, against_dir=plain).names)) == 2


def test_nothing_is_scored_when_no_prediction_is_there_and_every_case_is_named(folders, tmp_path):
    _, truth = folders
    (tmp_path / "none").mkdir()
    with pytest.raises(InputErrors) as caught:
        evaluate_folder(tmp_path / "none", truth)
    assert [case in line for case, line in zip(CASES, str(caught.value).splitlines(), strict=True)] == [True, True]


def test_an_unknown_definition_is_told_before_anything_is_read(folders):
    with pytest.raises(InputError, match="assd hausdorff: is no definition; choose one of directed, pooled"):
        evaluate_folder(*folders, definition="hausdorff")  # type: ignore[arg-type]


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


def _with_infinity(path):
    labels = _labels()
    labels[0, 0, 0] = np.inf
    _save(path, labels)


def _with_a_negative_label(path):
    labels = _labels()
    labels[0, 0, 0] = -1
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
        (lambda path: path.unlink(), "does not exist"),
        (_on_another_grid, "0.30 mm beside"),
        (_of_another_shape, r"shape \(15, 14, 10\), the truth \(16, 14, 10\)"),
        (_in_4d, "4 dimensions"),
        (_with_nan, "NaN"),
        (_with_infinity, "NaN"),
        (_with_a_negative_label, "unknown label -1"),
        (_with_fractions, "fractions"),
        (_with_label_3, "unknown label 3"),
        (_truncated, "cannot be read"),
        (_empty, "is empty"),
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
    with pytest.raises(InputError, match="nowhere: is not a folder"):
        evaluate_folder(tmp_path / "nowhere", truth)
    shutil.rmtree(truth)
    truth.mkdir()
    with pytest.raises(InputError, match="truth: holds no"):
        evaluate_folder(prediction, truth)


def test_saved_scores_read_back_and_nothing_unfinished_stays(folders, tmp_path):
    evaluation = evaluate_folder(*folders)
    evaluation.save(tmp_path / "new" / "scores")
    folder = tmp_path / "new" / "scores"
    names = ["scores.csv", "summary.csv", "summary.tex", "summary.txt"]
    assert sorted(path.name for path in folder.glob("[!.]*")) == names
    pd.testing.assert_frame_equal(pd.read_csv(folder / "scores.csv"), evaluation.scores, atol=1e-6)
    summary = pd.read_csv(folder / "summary.csv", index_col=["site", "structure", "metric"])
    pd.testing.assert_frame_equal(summary, evaluation.summary, atol=1e-6, check_dtype=False)
    assert (folder / "summary.txt").read_text() == f"{evaluation}\n"


def test_a_saved_comparison_reads_back_and_stands_in_text_and_latex(folders, tmp_path):
    prediction, truth = folders
    _save(tmp_path / "run_2" / f"{CASES[0]}_Label.nii.gz", _labels(2))
    evaluation = evaluate_folder(prediction, truth, against_dir=tmp_path / "run_2")
    evaluation.save(tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "comparison.csv", index_col=["structure", "metric"])
    pd.testing.assert_frame_equal(table.drop(columns="stars"), evaluation.comparison.drop(columns="stars"), atol=1e-5)
    latex = (tmp_path / "out" / "summary.tex").read_text()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert r"prediction & run\_2 & difference" in latex
    assert all(line.startswith("%") for line in latex.splitlines() if "bootstrap" in line or "signed rank" in line)


def test_unwritable_output_is_named(folders, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/scores/scores.csv: cannot be written \(Not a directory\); choose"):
        evaluate_folder(*folders).save(tmp_path / "file" / "scores")


def test_a_table_of_somebody_else_is_not_replaced_and_none_is_written_beside_it(folders, tmp_path):
    (tmp_path / "summary.csv").write_text("mine")
    with pytest.raises(InputErrors, match=r"summary.csv: is there already, and not as an earlier run wrote it"):
        evaluate_folder(*folders).save(tmp_path)
    assert [path.read_text() for path in tmp_path.glob("*.*")] == ["mine"]


def test_scores_are_saved_again_in_place_of_earlier_ones(folders, tmp_path):
    for seed in (0, 1):
        evaluate_folder(*folders, seed=seed).save(tmp_path / "out")
    assert (tmp_path / "out" / "summary.txt").read_text() == f"{evaluate_folder(*folders, seed=1)}\n"


def test_a_truth_with_another_name_is_told_and_the_others_are_scored(folders):
    prediction, truth = folders
    first, second = CASES
    (truth / f"{second}_Label.nii.gz").rename(truth / f"{second}_label.nii.gz")
    evaluation = evaluate_folder(prediction, truth)
    assert set(evaluation.scores["case"]) == {first}
    told = f"{truth / second}_label.nii.gz: its name is outside the layout; call it CASE_Label.nii.gz"
    assert [str(mistake) for mistake in evaluation.mistakes] == [told]


def test_a_case_whose_name_is_no_text_is_scored_and_stands_in_the_table_as_on_the_disk(tmp_path):
    for folder in ("truth", "prediction"):
        _save(tmp_path / folder / f"{NO_TEXT}_Label.nii.gz", _labels())
    evaluate_folder(tmp_path / "prediction", tmp_path / "truth").save(tmp_path / "scores")
    assert (tmp_path / "scores" / "scores.csv").read_bytes().count(os.fsencode(NO_TEXT)) == 2
