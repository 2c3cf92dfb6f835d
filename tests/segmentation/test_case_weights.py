"""Weights of translations: numbers written out by hand, laws, and the config on a small raw data set."""

import json
import shutil
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bundle_workflow import workflow
from slice_segmenter import slice_segmenter

from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.scans.folder import find_images, find_labelled
from tanq_monai.scans.naming import name_by_case
from tanq_monai.scans.raw_dataset import describe_dataset
from tanq_monai.segmentation.rounds.case_weights import COLUMNS, WeightRule, score_translations, weigh
from tanq_monai.structures import STRUCTURES, Structures

VIEWS = ("tanq", "cyclegan")


def table(dice_of):
    """Scores of {patient: {view: {structure: dice}}}."""
    rows = [
        [f"{patient}_{view}", patient, view, structure, value]
        for patient, views in dice_of.items()
        for view, structures in views.items()
        for structure, value in structures.items()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def of_cases(scores, column="weight"):
    return scores.drop_duplicates("case").set_index("case")[column].to_dict()


def of_one_structure(**patients):
    return table({p: {f"v{n}": {"VS": d} for n, d in enumerate(values)} for p, values in patients.items()})


def random_scores(seed):
    rng = np.random.default_rng(seed)
    dice_of = {
        f"p{p}": {f"v{v}": {"VS": rng.random() * (rng.random() > 0.2), "cochlea": rng.random()} for v in range(3)}
        for p in range(rng.integers(1, 8))
    }
    if "p2" in dice_of:  # after the operation: no VS
        for structures in dice_of["p2"].values():
            structures["VS"] = np.nan
    return table(dice_of)


def test_weights_are_those_computed_by_hand():
    # Medians: all 0.8; of the other views of p 0.8, 0.5 and 0.8; half of all 0.4.
    scores = of_one_structure(p=[0.8, 0.2, 0.8], q=[0.9, 0.9])
    weights = of_cases(weigh(scores, WeightRule(drop_below=0.1)))
    assert weights == pytest.approx({"p_v0": 1, "p_v1": (0.25 * 0.5) ** 0.5, "p_v2": 1, "q_v0": 1, "q_v1": 1})
    squared = of_cases(weigh(scores, WeightRule(drop_below=0.1, power=2)))
    assert squared["p_v1"] == pytest.approx(0.125)
    dropped = weigh(scores, WeightRule(drop_below=0.4, power=0))
    assert of_cases(dropped) == {"p_v0": 1, "p_v1": 0, "p_v2": 1, "q_v0": 1, "q_v1": 1}
    assert of_cases(dropped, "dropped") == {"p_v0": False, "p_v1": True, "p_v2": False, "q_v0": False, "q_v1": False}


def test_the_worst_structure_decides():
    good, lost = {"VS": 0.8, "cochlea": 0.8}, {"VS": 0.8, "cochlea": 0.1}
    scores = table({"p": {"a": good, "b": lost}, "q": {"a": good, "b": good}})
    assert of_cases(weigh(scores, WeightRule(0.01)))["p_b"] == pytest.approx((0.1 / 0.8 * 0.1 / 0.4) ** 0.5)


def test_a_hard_patient_counts_as_much_as_the_others_down_to_half_their_dice():
    scores = of_one_structure(hard=[0.4, 0.4], harder=[0.1, 0.1], p=[0.8, 0.8], q=[0.8, 0.8], r=[0.8, 0.8])
    weights = of_cases(weigh(scores, WeightRule()))
    assert weights["hard_v0"] == weights["hard_v1"] == 1
    assert weights["harder_v0"] == weights["harder_v1"] == pytest.approx(0.5)  # (0.1 / 0.4) ** 0.5


def test_a_patient_whom_all_views_lost_keeps_the_best_ones_at_the_threshold():
    scores = of_one_structure(lost=[0.0, 0.0], hardly=[0.01, 0.0], p=[0.8, 0.8], q=[0.8, 0.8])
    weights = of_cases(weigh(scores, WeightRule(drop_below=0.3, power=2)))
    assert weights["lost_v0"] == weights["lost_v1"] == pytest.approx(0.09)
    assert (weights["hardly_v0"], weights["hardly_v1"]) == (pytest.approx(0.09), 0)


@pytest.mark.parametrize("seed", range(20))
def test_no_patient_loses_all_views_and_order_changes_nothing(seed):
    scores, rule = random_scores(seed), WeightRule(drop_below=0.7, power=1.5)
    found = weigh(scores, rule)
    assert (found.groupby("patient")["weight"].max() > 0).all()
    assert found["weight"].between(0, 1).all()
    assert (found["dropped"] == (found["weight"] == 0)).all()
    shuffled = weigh(scores.sample(frac=1, random_state=seed), rule).sort_index()
    pd.testing.assert_frame_equal(shuffled, found)


def test_equal_dice_gives_equal_weights():
    for value in (0.0, 0.3, 1.0):
        scores = of_one_structure(p=[value] * 3, q=[value], r=[value] * 2)
        assert set(of_cases(weigh(scores, WeightRule())).values()) == {1.0}


def test_a_structure_that_the_label_lacks_does_not_count():
    with_vs = {"a": {"VS": 0.8, "cochlea": 0.8}, "b": {"VS": 0.8, "cochlea": 0.4}}
    without = {"a": {"VS": np.nan, "cochlea": 0.8}, "b": {"VS": np.nan, "cochlea": 0.4}}
    nothing = {"a": {"VS": np.nan, "cochlea": np.nan}}
    weights = of_cases(weigh(table({"p": with_vs, "q": without, "r": nothing}), WeightRule()))
    assert weights["q_a"] == weights["p_a"]
    assert weights["q_b"] == weights["p_b"] == pytest.approx(0.5**0.5)
    assert weights["r_a"] == 1


@pytest.mark.parametrize(
    ("choices", "words"), [({"drop_below": 0}, "drop_below: 0 is not in"), ({"power": -1}, "power: -1 is below 0")]
)
def test_choices_that_cannot_be_are_told(choices, words):
    with pytest.raises(InputError, match=words):
        WeightRule(**choices)


# --- Files -----------------------------------------------------------------------------------------------------------


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-0.5, -0.5, 1.5, 1])), path)


def label(moved=0):
    voxels = np.zeros((12, 12, 8), dtype=np.uint8)
    voxels[2 + moved : 6 + moved, 2:6, 2:6] = 1
    voxels[9:11, 6:8, 4:6] = 2
    return voxels


def describe(folder, structures):
    names = [path.name.removesuffix(".nii.gz") for path in (folder / "labelsTr").iterdir()]
    files = {name: (f"imagesTr/{name}_0000.nii.gz", f"labelsTr/{name}.nii.gz") for name in names}
    (folder / "dataset.json").write_text(json.dumps(describe_dataset(files, structures)))


@pytest.fixture
def translated(tmp_path):
    """A raw data set of two patients in two views, and the segmenter's labels: VS of p1 shifted in the second view."""
    folder, records = tmp_path / "Dataset001_VSCochlea", {}
    for patient in ("p1", "p2"):
        for view in VIEWS:
            name = f"{patient}_{view}"
            records[name] = {"case": patient, "view": view}
            save(folder / f"imagesTr/{name}_0000.nii.gz", np.ones((12, 12, 8), dtype=np.float32))
            save(folder / f"labelsTr/{name}.nii.gz", label())
            save(tmp_path / "labels" / f"{name}_Label.nii.gz", label(3 if name == "p1_cyclegan" else 0))
    describe(folder, STRUCTURES)
    (folder / "provenance.json").write_text(json.dumps({"files": records}))
    return SimpleNamespace(folder=folder, labels=tmp_path / "labels", out=tmp_path / "out")


def run(translated, **override):
    folders = {"dataset_dir": translated.folder, "prediction_dir": translated.labels, "output_dir": translated.out}
    flow = workflow("vs_cochlea_seg", "feedback", **{key: str(path) for key, path in folders.items()}, **override)
    flow.run()


def mistake_of(function, *args, **kwargs):
    with pytest.raises(Exception) as error:
        function(*args, **kwargs)
    assert mistake_behind(error.value) is not None, error.value
    return str(mistake_behind(error.value))


def test_the_config_writes_weights_and_what_they_follow_from_and_prints_a_row_per_view(translated, capsys):
    run(translated, drop_below=0.01)
    weights = pd.read_csv(translated.out / "weights.csv")
    # A block of 4 voxels moved by 3: Dice 0.25, the others 1.
    assert weights.columns.tolist() == ["case", "weight"]
    assert dict(zip(weights["case"], weights["weight"], strict=True)) == pytest.approx(
        {"p1_tanq": 1, "p1_cyclegan": (0.25 * 0.25 / 0.5) ** 0.5, "p2_tanq": 1, "p2_cyclegan": 1}, abs=1e-6
    )
    rows = pd.read_csv(translated.out / "feedback.csv").set_index(["case", "structure"])
    assert rows.columns.tolist() == ["patient", "view", "dice", "weight", "dropped"]
    assert rows.loc[("p1_cyclegan", "VS"), ["patient", "view", "dice"]].tolist() == ["p1", "cyclegan", 0.25]
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["cyclegan", "2", "0", "0.677", "0.625", "1.000"] in printed
    assert ["tanq", "2", "0", "1.000", "1.000", "1.000"] in printed


def test_three_classes_are_scored_by_the_label_configuration_alone(translated):
    for path in (*(translated.folder / "labelsTr").iterdir(), *translated.labels.iterdir()):
        voxels = np.asanyarray(nib.load(path).dataobj).copy()
        voxels[voxels == 2] = 3
        voxels[:, :, 4:][voxels[:, :, 4:] == 1] = 2
        save(path, voxels)
    structures = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    describe(translated.folder, structures)
    run(translated, structures=dict(structures), drop_below=0.01)
    scores = pd.read_csv(translated.out / "feedback.csv")
    assert scores["structure"].unique().tolist() == list(structures)
    assert of_cases(scores)["p1_cyclegan"] == pytest.approx((0.25 * 0.25 / 0.5) ** 0.5, abs=1e-6)


def test_labels_of_nnunets_folds_are_found_by_its_names(translated):
    for number, path in enumerate(sorted(translated.labels.iterdir())):
        target = translated.labels / f"fold_{number}" / "validation" / path.name.replace("_Label", "")
        target.parent.mkdir(parents=True)
        shutil.move(path, target)
    run(translated, drop_below=0.5)
    weights = pd.read_csv(translated.out / "weights.csv", index_col="case")["weight"]
    assert weights.to_dict() == {"p1_cyclegan": 0, "p1_tanq": 1, "p2_cyclegan": 1, "p2_tanq": 1}


def test_a_folder_of_translations_with_labels_has_one_view(tmp_path):
    for case in ("p1", "p2"):
        save(tmp_path / f"{case}_ceT1.nii.gz", np.ones((12, 12, 8), dtype=np.float32))
        save(tmp_path / f"{case}_Label.nii.gz", label())
        save(tmp_path / "validation" / f"{case}_ceT1.nii.gz", label())  # nnU-Net's name of such a case
    found = score_translations(find_labelled(tmp_path).cases, tmp_path / "validation").scores
    assert found["view"].unique().tolist() == ["all"]
    assert of_cases(found) == {"p1": 1, "p2": 1}
    message = mistake_of(score_translations, find_labelled(tmp_path).cases, tmp_path)
    assert message.count("is no prediction but what was given to be scored") == 2


def test_what_cannot_be_scored_is_told_in_a_line_each_and_nothing_is_written(translated):
    (translated.labels / "p1_tanq_Label.nii.gz").unlink()
    save(translated.labels / "p2_tanq_Label.nii.gz", np.zeros((4, 4, 4), dtype=np.uint8))
    message = mistake_of(run, translated)
    assert "holds no label of p1_tanq; segment it; looked for p1_tanq_Label.nii.gz, p1_tanq.nii.gz" in message
    assert "p2_tanq_Label.nii.gz: has shape (4, 4, 4), the true label (12, 12, 8)" in message
    assert not list(translated.out.glob("*"))


def test_the_images_of_a_raw_data_set_can_be_segmented(translated):
    found = find_images(translated.folder)
    assert [case["case"] for case in found.cases] == ["p1_cyclegan", "p1_tanq", "p2_cyclegan", "p2_tanq"]
    assert found.problems == []
    name = name_by_case({"filename_or_obj": found.cases[0]["image"]}, None)
    assert name["subject"] == "p1_cyclegan.nii.gz"


def test_inference_labels_a_raw_data_set_for_the_feedback(translated, tmp_path):
    shutil.rmtree(translated.labels)
    for path in (translated.folder / "imagesTr").iterdir():
        save(path, np.random.default_rng(0).random((12, 12, 8)).astype(np.float32))
    models = slice_segmenter(tmp_path / "models")
    folders = {"dataset_dir": translated.folder, "model_dir": models, "output_dir": translated.labels}
    folders = {key: str(path) for key, path in folders.items()}
    workflow("vs_cochlea_seg", "inference", device="cpu", **folders).run()
    names = [f"{patient}_{view}" for patient in ("p1", "p2") for view in sorted(VIEWS)]
    assert sorted(path.name for path in translated.labels.glob("[!.]*.nii.gz")) == [
        f"{name}_Label.nii.gz" for name in names
    ]
    run(translated)
    assert pd.read_csv(translated.out / "weights.csv")["case"].tolist() == names
