"""The numbers of a round of self-training, and when the rounds end."""

import json
import math

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.errors import InputError
from tanq_monai.segmentation.rounds import self_training
from tanq_monai.segmentation.rounds.measures import measure_round
from tanq_monai.segmentation.rounds.self_training import Data, RoundChoices, SelfTraining
from tanq_monai.structures import STRUCTURES

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])  # voxels of 2 mm3


def save(folder, case, labels, confidence=0.75):
    folder.mkdir(parents=True, exist_ok=True)
    array = np.zeros((4, 4, 4), np.uint8)
    for place, value in labels.items():
        array[place] = value
    nib.save(nib.Nifti1Image(array, AFFINE), folder / f"{case}_Label.nii.gz")
    sure = np.where(array == 1, confidence, 0.5).astype(np.float32)
    nib.save(nib.Nifti1Image(sure, AFFINE), folder / f"{case}_Confidence.nii.gz")


def test_numbers_of_a_round_are_those_written_out(tmp_path):
    now, last, truth = (tmp_path / name for name in ("now", "last", "truth"))
    save(now, "a", {(0, 0, 0): 1, (0, 0, 1): 1, (3, 3, 3): 2})
    save(now, "b", {(0, 0, 0): 1}, confidence=0.25)
    save(last, "a", {(0, 0, 1): 1})
    save(last, "b", {(1, 1, 1): 1})
    save(truth, "a", {(0, 0, 0): 1, (3, 3, 3): 2})
    rows = measure_round(now, last, truth, STRUCTURES).set_index("structure")
    assert rows.loc["VS"].to_dict() == pytest.approx(
        {
            "found": 2,
            "volume_mm3": 3.0,  # median of 4 and 2
            "confidence": 0.5,  # mean of .75 and .25
            "agreement": 1 / 3,  # of 2/3 and 0
            "dice": 2 / 3,  # a alone has truth
        }
    )
    assert rows.loc["cochlea"].to_dict() == pytest.approx(
        {"found": 1, "volume_mm3": 2.0, "confidence": 0.5, "agreement": 0.5, "dice": 1.0}  # b has none, as before: 1
    )


def test_what_there_is_nothing_to_compare_with_is_nan(tmp_path):
    save(tmp_path, "a", {(0, 0, 0): 1})
    rows = measure_round(tmp_path, None, None, STRUCTURES).set_index("structure")
    assert math.isnan(rows.loc["VS", "agreement"])
    assert math.isnan(rows.loc["VS", "dice"])
    assert rows.loc["cochlea", "found"] == 0


def test_a_round_without_predictions_is_told(tmp_path):
    with pytest.raises(InputError, match=r"holds no \*_Label.nii.gz; start the round again"):
        measure_round(tmp_path, None, None, STRUCTURES)


@pytest.fixture
def rounds(tmp_path, monkeypatch):
    """Self-training whose commands take no time: the models label one voxel more in each of the first two rounds."""

    said = []

    class Runner:
        def __init__(self, *_):
            self.progress = type("Bar", (), {"write": said.append})()

        def run(self, step):
            number, name = int(step.name.split("_")[1]), step.name.split("_", 2)[2]
            folder = tmp_path / f"round_{number}"
            if name == "refine" and number < first_empty[0]:
                save(folder / "pseudo_labels", "a", {(0, 0, 0): 1})
            if name == "segment":
                save(folder / "predictions", "a", {(0, 0, z): 1 for z in range(min(number, 2) + 1)})
            if name == "select":
                member = folder / "models" / "m"
                member.mkdir(parents=True)
                (folder / "models" / "ensemble.json").write_text(json.dumps({"groups": [["m"]], "postprocessing": []}))

    class Ensemble:
        def __init__(self, folder):
            self.groups, self.postprocessing = ((folder / "m",),), ()

    monkeypatch.setattr(self_training, "StepRunner", Runner)
    monkeypatch.setattr(self_training, "read_ensemble", Ensemble)
    monkeypatch.setattr(self_training, "bundle_step", lambda name, *_, **__: type("Step", (), {"name": name}))

    first_empty = [9]

    def run(none_accepted_in=9, **choices):
        first_empty[0] = none_accepted_in
        data = Data("translated", "translated", "target")
        plain = RoundChoices({"2d": {}}, folds=["all"])
        return SelfTraining(data, tmp_path, plain, **choices).run()

    return run


def test_rounds_end_when_labels_no_longer_change(rounds, tmp_path):
    table = rounds(rounds=4, stop_agreement=0.99)
    assert sorted(set(table["round"])) == [0, 1, 2, 3]
    tumor = table[table["structure"] == "VS"]
    assert list(tumor["agreement"][1:]) == pytest.approx([2 / 3, 4 / 5, 1.0])
    models = json.loads((tmp_path / "models" / "ensemble.json").read_text())
    assert models == {"groups": [["../round_3/models/m"]], "postprocessing": []}


def test_rounds_end_earlier_with_a_lower_bar_and_never_above_their_number(rounds):
    assert set(rounds(rounds=4, stop_agreement=0.6)["round"]) == {0, 1}


def test_rounds_end_when_no_label_is_accepted(rounds, tmp_path):
    table = rounds(rounds=4, none_accepted_in=2, stop_agreement=2)
    assert set(table["round"]) == {0, 1}
    assert json.loads((tmp_path / "models" / "ensemble.json").read_text())["groups"] == [["../round_1/models/m"]]


def test_no_round_more_than_wanted(rounds):
    assert set(rounds(rounds=1)["round"]) == {0, 1}
    with pytest.raises(InputError, match="rounds: is -1; choose 0"):
        rounds(rounds=-1)


@pytest.mark.parametrize(
    "choices",
    [
        {"training": {"max_epochs": "$__import__('os').system('id')"}},
        {"training": {"plans_override": {"patch_size": ["%other.yaml::x"]}}},
        {"inference": {"initialize": "\"$print('quoted, for the command line')\""}},
        {"training": {"device": "--logging_file=docs/evil.txt"}},
        {"inference": {"network_def": {"_target_": "os.system"}}},
        {"refinement": {"network_def#_target_": "os.system"}},
    ],
)
def test_choices_that_would_run_something_in_the_commands_of_a_round_are_refused(choices):
    with pytest.raises(InputError, match=r"choices: hold .* which is no plain value of a choice"):
        RoundChoices(**{"configurations": {"2d": {}}, "folds": ["all"]} | choices)
