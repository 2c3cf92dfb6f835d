"""Which commands a round of self-training is made of, and what of the round before they are given."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bundle_workflow import BUNDLES

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.segmentation.rounds.self_training import Data, RoundChoices, SelfTraining
from tanq_monai.steps import Step
from tanq_monai.structures import Structures


def options_of(step: Step) -> dict[str, str]:
    return {name[2:]: value for name, value in pairwise(step.arguments) if name.startswith("--")}


def steps(folder: Path, number: int, **choices: object) -> dict[str, dict[str, str]]:
    """Options of a round's steps, by the names that they have within it."""
    data = Data(*(str(folder / name) for name in ("translated", "labels", "target")))
    rounds = RoundChoices(**{"configurations": {"2d": {}}, "folds": ["all"]} | choices)
    line = SelfTraining(data, folder / "run", rounds, bundle=BUNDLES / "vs_cochlea_seg")
    return {step.name.removeprefix(f"round_{number}_"): options_of(step) for step in line.steps_of(number)}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_round_learns_from_the_refined_labels_of_the_round_before(tmp_path: Path, number: int) -> None:
    run, made = tmp_path / "run", steps(tmp_path, number)
    assert list(made) == ["refine", "train_2d_fold_all", "select", "segment"]
    own, before = run / f"round_{number}", run / f"round_{number - 1}"
    assert made["refine"]["prediction_dir"] == str(before / "predictions")
    assert made["refine"]["output_dir"] == str(own / "pseudo_labels")
    training = made["train_2d_fold_all"]
    assert (training["target_dir"], training["pseudo_label_dir"]) == (
        str(tmp_path / "target"),
        str(own / "pseudo_labels"),
    )
    assert (training["dataset_dir"], training["label_dir"]) == (str(tmp_path / "translated"), str(tmp_path / "labels"))
    assert made["segment"]["dataset_dir"] == str(tmp_path / "target")
    assert made["segment"]["output_dir"] == str(own / "predictions")
    assert made["segment"]["ensemble_dir"] == str(own / "models")


def test_round_0_knows_no_labels_of_real_scans(tmp_path: Path) -> None:
    made = steps(tmp_path, 0)
    assert list(made) == ["train_2d_fold_all", "select", "segment"]
    assert not {"target_dir", "pseudo_label_dir"} & made["train_2d_fold_all"].keys()


@pytest.mark.parametrize("choices", [{"training": {"adversary": 0.1}}, {"configurations": {"2d": {"adversary": 0.1}}}])
def test_an_adversary_sees_the_real_scans_from_round_0_on(tmp_path: Path, choices: dict[str, object]) -> None:
    training = steps(tmp_path, 0, **choices)["train_2d_fold_all"]
    assert training["target_dir"] == str(tmp_path / "target")
    assert "pseudo_label_dir" not in training
    assert steps(tmp_path, 1, **choices)["train_2d_fold_all"]["pseudo_label_dir"]


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"training": {"fold": 0, "configuration": "2d"}}, "training: chooses configuration, fold, which the rounds"),
        ({"inference": {"ensemble_dir": "x"}}, "inference: chooses ensemble_dir, which the rounds decide"),
        ({"refinement": {"output_dir": "x"}}, "refinement: chooses output_dir, which the rounds decide"),
    ],
)
def test_what_the_rounds_decide_is_not_chosen_besides(tmp_path: Path, choices: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        steps(tmp_path, 1, **choices)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"training": {"max_epoch": 3}}, "max_epoch: is no choice of train; did you mean max_epochs?"),
        ({"inference": {"overlap": 2}}, "overlap 2: is not a number from 0 to below 1"),
        ({"refinement": {"join_mm": "wide"}}, "join_mm wide: is not a number, 0 or more"),
    ],
)
def test_choices_of_a_round_are_those_of_its_configs(tmp_path: Path, choices: dict[str, Any], told: str) -> None:
    with pytest.raises(InputErrors) as caught:
        steps(tmp_path, 1, **choices)
    assert str(caught.value).startswith(told)


def test_a_configuration_has_choices_by_name() -> None:
    with pytest.raises(InputError, match="have no choices by name"):
        RoundChoices({"2d": 3}, folds=["all"])


def test_models_to_begin_with_have_the_labels_of_the_run(tmp_path: Path) -> None:
    data = Data("translated", "labels", "target")
    parts = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    three = RoundChoices({"2d": {}}, structures=parts)
    models = BUNDLES / "vs_cochlea_seg" / "models"
    with pytest.raises(InputError, match=r"dataset\.json: has the labels {'VS': 1, 'cochlea': 2}, the run"):
        SelfTraining(data, tmp_path, three, first_ensemble=models)
    SelfTraining(data, tmp_path, RoundChoices({"2d": {}}), first_ensemble=models)


@pytest.mark.parametrize("place", ["training", "configuration"])
def test_a_model_that_trainings_begin_with_may_not_call_the_same_value_by_another_name(
    tmp_path: Path, place: str
) -> None:
    begun = {"initial_model": "models"}  # of the bundle
    choices = {
        "training": RoundChoices({"2d": {}}, training=begun, structures=Structures({"tumor": 1, "cochlea": 2})),
        "configuration": RoundChoices({"2d": begun}, structures=Structures({"tumor": 1, "cochlea": 2})),
    }[place]
    told = r"dataset\.json: has the labels {'VS': 1, 'cochlea': 2}, the run {'tumor': 1, 'cochlea': 2}; give a model"
    with pytest.raises(InputError, match=told):
        SelfTraining(Data("translated", "labels", "target"), tmp_path, choices, bundle=BUNDLES / "vs_cochlea_seg")
