"""A folder through the refinement, as a user and as the self-training run it."""

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bundle_workflow import BUNDLES, workflow
from files import NO_TEXT
from monai.bundle import ConfigParser
from refinement_cases import AFFINE, IGNORE, NEAR, VOXEL_MM3, head, noisy_head

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.metrics.dice import dice
from tanq_monai.segmentation.rounds.refined_folder import refine_folder
from tanq_monai.segmentation.rounds.refinement_rules import RefinementRules
from tanq_monai.segmentation.rounds.refinement_worth import summarize_worth
from tanq_monai.structures import STRUCTURES

GOOD, NO_VS, NOISY = "crossmoda2021_ldn_106", "crossmoda2021_ldn_107", "crossmoda2022_etz_105"


def save(folder, case, labels, confidence=None, agreement=None, affine=AFFINE):
    folder.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(labels, affine), folder / f"{case}_Label.nii.gz")
    for name, share in (("Confidence", confidence), ("Agreement", agreement)):
        stored = np.full(labels.shape, 255) if share is None else np.rint(share * 255)
        image = nib.Nifti1Image(stored.astype(np.uint8), affine)
        image.header.set_slope_inter(1 / 255, 0)
        nib.save(image, folder / f"{case}_{name}.nii.gz")


@pytest.fixture
def predictions(tmp_path):
    labels = head()
    labels[NEAR] = 1
    confidence = np.ones(labels.shape)
    confidence[28:32, 34:44, 3:9] = 0.6
    save(tmp_path / "predictions", GOOD, labels, confidence)
    save(tmp_path / "predictions", NO_VS, np.where(head() == 1, 0, head()).astype(np.uint8))
    save(tmp_path / "predictions", NOISY, *noisy_head(1))
    return tmp_path / "predictions"


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("[!.]*")) if path.is_file()}


def labels_in(folder):
    return sorted(path.name.removesuffix("_Label.nii.gz") for path in folder.glob("*_Label.nii.gz"))


def test_table_and_labels_say_what_was_ignored_and_only_accepted_cases_are_written(predictions, tmp_path):
    report = refine_folder(predictions, tmp_path / "out", RefinementRules())
    rows = pd.read_csv(tmp_path / "out" / "refinement.csv").set_index(["case", "structure"])
    vs = rows.loc[(GOOD, "VS")]
    assert vs["predicted_mm3"] == (600 + 72) * VOXEL_MM3
    assert vs["refined_mm3"] == 360 * VOXEL_MM3
    assert vs["removed_components"] == 1
    assert vs["ignored_share"] == pytest.approx(1 - 360 / 672, abs=1e-6)
    assert rows.loc[(GOOD, "cochlea"), ["removed_components", "ignored_share"]].tolist() == [0, 0]
    assert rows.loc[GOOD, "verdict"].tolist() == ["accepted"] * 2
    assert rows.loc[(NO_VS, "cochlea"), ["verdict", "reason"]].tolist() == [
        "waits",
        "VS missing: removed by operation, or overlooked",
    ]
    image = nib.load(tmp_path / "out" / f"{GOOD}_Label.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.affine, AFFINE)
    expected = head()
    expected[NEAR] = expected[28:32, 34:44, 3:9] = IGNORE
    np.testing.assert_array_equal(np.asarray(image.dataobj), expected)
    accepted = sorted(rows[rows["verdict"] == "accepted"].index.unique("case"))
    assert labels_in(tmp_path / "out") == accepted
    assert f"3 cases: {len(accepted)} accepted, {3 - len(accepted)} wait" in str(report)
    assert "VS missing" in str(report)


def test_started_again_it_writes_the_same_bytes_also_after_it_was_killed(predictions, tmp_path):
    out = tmp_path / "out"
    refine_folder(predictions, out, RefinementRules())
    first = contents(out)
    (out / f"{GOOD}_Label.nii.gz").unlink()  # killed after the table was written
    refine_folder(predictions, out, RefinementRules())
    assert contents(out) == first


def test_label_of_a_case_that_now_waits_is_removed(predictions, tmp_path):
    out = tmp_path / "out"
    refine_folder(predictions, out, None)
    assert labels_in(out) == [GOOD, NO_VS, NOISY]
    refine_folder(predictions, out, RefinementRules())
    assert NO_VS not in labels_in(out)
    for path in predictions.glob(f"{GOOD}*"):
        path.unlink()
    refine_folder(predictions, out, None)
    assert labels_in(out) == [NO_VS, NOISY]


def test_a_case_is_refined_as_if_it_were_alone(predictions, tmp_path):
    together = refine_folder(predictions, tmp_path / "all", RefinementRules()).rows
    for case in (NOISY, GOOD):
        save(tmp_path / case, case, head())
        for path in predictions.glob(f"{case}_*"):
            (tmp_path / case / path.name).write_bytes(path.read_bytes())
        alone = refine_folder(tmp_path / case, tmp_path / f"{case}_out", RefinementRules()).rows
        pd.testing.assert_frame_equal(alone, together[together["case"] == case].reset_index(drop=True))


def test_without_refinement_all_cases_are_accepted_with_their_labels_and_no_uncertainty_is_read(predictions, tmp_path):
    for path in [*predictions.glob("*_Confidence.nii.gz"), *predictions.glob("*_Agreement.nii.gz")]:
        path.unlink()
    report = refine_folder(predictions, tmp_path / "out", None)
    assert set(report.rows["verdict"]) == {"accepted"}
    np.testing.assert_array_equal(report.rows["predicted_mm3"], report.rows["refined_mm3"])
    for case in (GOOD, NO_VS, NOISY):
        written, given = (nib.load(f / f"{case}_Label.nii.gz") for f in (tmp_path / "out", predictions))
        np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(given.dataobj))


def _without_agreement(folder):
    (folder / f"{GOOD}_Agreement.nii.gz").unlink()
    (folder / f"{NOISY}_Confidence.nii.gz").unlink()
    return ["Confidence.nii.gz: is missing", "Agreement.nii.gz: is missing"]


def _other_grid(folder):
    shifted = AFFINE.copy()
    shifted[0, 3] += 5
    for name in ("Confidence", "Agreement"):
        nib.save(nib.Nifti1Image(np.ones((100, 60, 20), np.float32), shifted), folder / f"{GOOD}_{name}.nii.gz")
    return ["5.00 mm beside"]


def _not_shares(folder):
    nib.save(nib.Nifti1Image(np.full((100, 60, 20), 255, np.uint8), AFFINE), folder / f"{GOOD}_Confidence.nii.gz")
    return ["holds values from 255 to 255"]


def _empty_file(folder):
    (folder / f"{NOISY}_Label.nii.gz").write_bytes(b"")
    (folder / f"{GOOD}_Confidence.nii.gz").write_bytes(b"")
    return ["Label.nii.gz: is empty", "Confidence.nii.gz: is empty"]


@pytest.mark.parametrize("damage", [_without_agreement, _other_grid, _not_shares, _empty_file])
def test_a_file_that_cannot_be_used_is_one_line_and_nothing_is_written(damage, predictions, tmp_path):
    wanted = damage(predictions)
    with pytest.raises(InputErrors) as error:
        refine_folder(predictions, tmp_path / "out", RefinementRules())
    lines = str(error.value).splitlines()
    assert len(lines) == len(wanted)
    assert all(any(part in line for line in lines) for part in wanted)
    assert not (tmp_path / "out").exists() or contents(tmp_path / "out") == {}


def test_after_a_mistake_the_labels_of_the_earlier_round_are_as_they_were(predictions, tmp_path):
    refine_folder(predictions, tmp_path / "out", None)
    before = contents(tmp_path / "out")
    _not_shares(predictions)
    with pytest.raises(InputErrors):
        refine_folder(predictions, tmp_path / "out", RefinementRules())
    assert contents(tmp_path / "out") == before


def test_folders_that_hold_no_or_other_labels_are_refused(predictions, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no \*_Label"):
        refine_folder(tmp_path / "empty", tmp_path / "out", RefinementRules())
    with pytest.raises(InputError, match="predictions: holds what the results are made of"):
        refine_folder(predictions, predictions, RefinementRules())
    save(tmp_path / "truth", "crossmoda2021_ldn_1", head())
    before = contents(tmp_path / "truth")
    with pytest.raises(InputError, match=r"ldn_1_Label\.nii\.gz, which no refinement wrote"):
        refine_folder(predictions, tmp_path / "truth", RefinementRules())
    assert contents(tmp_path / "truth") == before


def test_worth_counts_the_errors_and_the_truth_that_became_ignored_voxel_by_voxel(predictions, tmp_path):
    save(tmp_path / "truth", GOOD, head())
    report = refine_folder(predictions, tmp_path / "out", RefinementRules(), truth_dir=tmp_path / "truth")
    worth = pd.read_csv(tmp_path / "out" / "refinement_worth.csv").set_index("structure").loc["VS"]
    predicted = np.asarray(nib.load(predictions / f"{GOOD}_Label.nii.gz").dataobj)
    after = np.asarray(nib.load(tmp_path / "out" / f"{GOOD}_Label.nii.gz").dataobj)
    counts = np.zeros(4, int)
    for p, t, a in zip(predicted.ravel(), head().ravel(), after.ravel(), strict=True):
        if p == 1 or t == 1:
            counts += np.array([p != t, p != t and a == IGNORE, p == t, p == t and a == IGNORE])
    names = ["wrong_voxels", "wrong_ignored", "right_voxels", "right_ignored"]
    assert worth[names].tolist() == counts.tolist() == [72, 72, 600, 240]
    assert worth["dice_plain"] == pytest.approx(dice(predicted == 1, head() == 1), abs=1e-6)
    assert worth["dice_refined"] == 1
    summary = summarize_worth(report.worth)
    assert summary.loc[("VS", "accepted"), ["wrong_ignored", "right_ignored"]].tolist() == [1.0, 0.4]
    assert "right_ignored" in str(report)


def test_choices_of_the_config_are_the_defaults_of_the_rules():
    config = ConfigParser.load_config_file(BUNDLES / "vs_cochlea_seg" / "configs" / "refine.yaml")
    rules = RefinementRules()
    for part, values in ((config["rules"], vars(rules)), (config["rules"]["plausible"], vars(rules.plausible))):
        assert part.keys() - {"_target_"} == values.keys()
        for name in values.keys() - {"plausible"}:
            np.testing.assert_allclose(config[name], values[name], atol=1e-4)
    assert config["structures"] == STRUCTURES


@pytest.mark.parametrize(
    ("choice", "accepted"), [({"refine": False}, [GOOD, NO_VS, NOISY]), ({"vs_required": False}, [GOOD, NO_VS])]
)
def test_choices_of_the_user_reach_the_folder_through_the_config(choice, accepted, predictions, tmp_path, capsys):
    folders = {"prediction_dir": str(predictions), "output_dir": str(tmp_path / "out")}
    workflow("vs_cochlea_seg", "refine", **choice, **folders).run()
    assert labels_in(tmp_path / "out") == accepted
    assert f"3 cases: {len(accepted)} accepted" in capsys.readouterr().out


@pytest.mark.slow
def test_the_bundle_run_tells_a_mistake_in_one_line_and_writes_nothing(predictions, tmp_path):
    """MONAI's program in a process of its own, as a user starts it."""
    nib.save(nib.Nifti1Image(head()[:50], AFFINE), predictions / f"{GOOD}_Label.nii.gz")
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "configs/refine.yaml"]
    command += ["--meta_file", "configs/metadata.json", "--logging_file", "configs/logging.conf"]
    command += ["--prediction_dir", predictions, "--output_dir", tmp_path / "out"]
    done = subprocess.run(command, cwd=BUNDLES / "vs_cochlea_seg", capture_output=True, text=True, check=False)
    mistakes = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(mistakes) == 1 and "Traceback" not in done.stderr
    assert f"{GOOD}_Confidence.nii.gz: has shape (100, 60, 20), {GOOD}_Label.nii.gz (50, 60, 20)" in mistakes[0]
    assert contents(tmp_path / "out") == {}


def test_a_label_that_somebody_corrected_since_is_not_taken_away(predictions, tmp_path):
    out = tmp_path / "out"
    refine_folder(predictions, out, None)
    corrected = out / f"{NO_VS}_Label.nii.gz"  # which the rules below would not accept
    corrected.write_bytes(b"corrected")
    before = contents(out)
    with pytest.raises(InputErrors, match=f"{NO_VS}_Label.nii.gz: is there already, and not as"):
        refine_folder(predictions, out, RefinementRules())
    assert contents(out) == before


def test_a_table_of_somebody_else_is_not_taken_for_one_of_a_refinement(predictions, tmp_path):
    out = tmp_path / "out"
    save(out, NO_VS, head())
    (out / "refinement.csv").write_text(f"case,remark\n{NO_VS},mine\n")
    before = contents(out)
    with pytest.raises(InputErrors, match=r"refinement.csv: is there already, and not as an earlier run wrote it"):
        refine_folder(predictions, out, RefinementRules())
    assert contents(out) == before


def test_the_value_above_the_structures_is_no_voxel_to_ignore_in_a_prediction(predictions, tmp_path):
    labels = head()
    labels[NEAR] = IGNORE  # a third structure, of a segmenter for other labels
    save(predictions, GOOD, labels)
    with pytest.raises(InputErrors, match=rf"{GOOD}_Label.nii.gz: holds unknown label 3; use only \[0, 1, 2\]"):
        refine_folder(predictions, tmp_path / "out", RefinementRules())


def test_a_truth_without_compression_counts_and_one_with_another_name_is_told(predictions, tmp_path):
    save(tmp_path / "truth", GOOD, head())
    path = tmp_path / "truth" / f"{GOOD}_Label.nii.gz"
    nib.save(nib.load(path), path.with_suffix(""))
    path.unlink()
    report = refine_folder(predictions, tmp_path / "out", None, truth_dir=path.parent)
    assert set(report.worth["case"]) == {GOOD}
    path.with_suffix("").rename(path.with_name(f"{GOOD}_seg.nii"))
    with pytest.raises(InputErrors, match=rf"{GOOD}_seg\.nii: its name is outside the layout; call it CASE_Label"):
        refine_folder(predictions, tmp_path / "out", None, truth_dir=path.parent)


def test_a_case_whose_name_is_no_text_is_refined_as_any_and_known_again(tmp_path):
    save(tmp_path / "predictions", NO_TEXT, head())
    for _ in range(2):
        report = refine_folder(tmp_path / "predictions", tmp_path / "out", None)
    assert set(report.rows["case"]) == {NO_TEXT}
    assert labels_in(tmp_path / "out") == [NO_TEXT]
    assert os.fsencode(NO_TEXT) in (tmp_path / "out" / "refinement.csv").read_bytes()
