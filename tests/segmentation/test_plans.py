"""Networks and spaces from plan files."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from tanq_monai.errors import InputError
from tanq_monai.segmentation.plan.plans import (
    check_model_folder,
    check_plan,
    check_same_labels,
    mirror_axes_from_plans,
    network_from_plans,
    patch_size_from_plans,
    read_configuration,
    read_structures,
)
from tanq_monai.structures import STRUCTURES, Structures

MODELS = Path(__file__).parents[1] / "small_model"
PLANS, DATASET = MODELS / "plans.json", MODELS / "dataset.json"


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
def test_the_network_has_the_parameters_and_output_of_nnunets(configuration):
    network = network_from_plans(PLANS, DATASET, configuration).eval()
    architecture = read_configuration(PLANS, configuration)["architecture"]
    expected = get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        3,
        deep_supervision=False,
    ).eval()
    network.load_state_dict(expected.state_dict())
    image = torch.rand(1, 1, *([32] * len(patch_size_from_plans(PLANS, configuration))))
    with torch.no_grad():
        output = network(image)
        assert output.shape == (1, 3, *image.shape[2:])
        torch.testing.assert_close(output, expected(image), rtol=0, atol=0)


def test_deep_supervision_gives_a_list_finest_first():
    outputs = network_from_plans(PLANS, DATASET, "2d", deep_supervision=True)(torch.rand(1, 1, 64, 64))
    assert [o.shape[-1] for o in outputs][:2] == [64, 32]


def test_the_trained_configuration_is_the_default():
    plan = json.loads(PLANS.read_text())
    assert patch_size_from_plans(PLANS) == tuple(plan["configurations"][plan["trained_configuration"]]["patch_size"])


def test_an_inheriting_configuration_overrides_its_parent(tmp_path):
    plan = json.loads(PLANS.read_text())
    plan["configurations"]["child"] = {"inherits_from": "2d", "batch_size": 77}
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    child, parent = (read_configuration(tmp_path / "plans.json", name) for name in ("child", "2d"))
    assert child["batch_size"] == 77
    assert child["patch_size"] == parent["patch_size"]


def model_with(folder, configuration=None, dataset=None, drop=None):
    """A model folder whose plan or dataset.json has other values."""
    plan = json.loads(PLANS.read_text())
    plan["configurations"][plan["trained_configuration"]] |= configuration or {}
    plan["configurations"][plan["trained_configuration"]].pop(drop, None)
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(json.loads(DATASET.read_text()) | (dataset or {})))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"configuration": {"normalization_schemes": ["CTNormalization"]}}, r"another task: .* \['CTNormalization'\]"),
        (
            {"configuration": {"normalization_schemes": 2 * ["ZScoreNormalization"]}},
            "another task: normalization_schemes",
        ),
        ({"configuration": {"previous_stage": "3d_lowres"}}, "another task: previous_stage"),
        ({"configuration": {"resampling_fn_data": "resample_torch_fornnunet"}}, "another task: resampling_fn_data"),
        ({"configuration": {"UNet_class_name": "PlainConvUNet"}, "drop": "architecture"}, "plan of an older nnU-Net"),
        ({"dataset": {"channel_names": {"0": "T1", "1": "T2"}}}, "another task: 2 channels, not one"),
        ({"dataset": {"labels": {"background": 0, "all": [1, 2], "cochlea": 2}}}, "no plain classes"),
        ({"dataset": {"labels": {"0": "background", "1": "VS"}}}, "no plain classes"),
        ({"dataset": {"labels": {"background": 1, "VS": 0, "cochlea": 2}}}, "no plain classes"),
        ({"dataset": {"labels": {"background": 0, "VS": True, "cochlea": 2}}}, "no plain classes"),
        ({"dataset": {"labels": None}}, "is no dataset.json of nnU-Net v2"),
    ],
)
def test_a_model_of_another_task_or_time_is_told_in_one_line(tmp_path, change, words):
    with pytest.raises(InputError, match=words) as error:
        check_model_folder(model_with(tmp_path, **change))
    assert len(str(error.value).splitlines()) == 1


def _own(plan):
    return plan["configurations"][plan["trained_configuration"]]


def _other_axes(plan, value):
    return [value] * (5 - len(_own(plan)["spacing"]))


DAMAGES = {
    "no patch_size": lambda plan: _own(plan).pop("patch_size"),
    "no spacing": lambda plan: _own(plan).pop("spacing"),
    "no transpose": lambda plan: plan.pop("transpose_forward"),
    "no strides": lambda plan: _own(plan)["architecture"]["arch_kwargs"].pop("strides"),
    "no configurations": lambda plan: plan.pop("configurations"),
    "no trained configuration": lambda plan: plan.pop("trained_configuration"),
    "configurations are a list": lambda plan: plan.update(configurations=[1]),
    "trained configuration is a number": lambda plan: plan.update(trained_configuration=[2]),
    "spacing of letters": lambda plan: _own(plan).update(spacing=["a", "b"]),
    "spacing of 0": lambda plan: _own(plan).update(spacing=[0, 0]),
    "spacing finer than any scan": lambda plan: _own(plan).update(spacing=[0.001] * len(_own(plan)["spacing"])),
    "window of which the strides leave one": lambda plan: _own(plan).update(
        patch_size=[
            math.prod(along) for along in zip(*_own(plan)["architecture"]["arch_kwargs"]["strides"], strict=True)
        ]
    ),
    **{
        f"no {name}": (lambda plan, name=name: _own(plan)["architecture"]["arch_kwargs"].pop(name))
        for name in ("conv_op", "norm_op", "nonlin")
    },
    "norm_op is a list": lambda plan: _own(plan)["architecture"]["arch_kwargs"].update(norm_op=[]),
    "spacing of one axis": lambda plan: _own(plan).update(spacing=[0.8]),
    "window of 0": lambda plan: _own(plan).update(patch_size=[0, 0]),
    "window that the strides do not divide": lambda plan: _own(plan).update(patch_size=[33, 47]),
    "window of other axes than the network": lambda plan: _own(plan).update(
        {"patch_size": _other_axes(plan, 32), "spacing": _other_axes(plan, 1)}
    ),
    "inherits from itself": lambda plan: _own(plan).update(inherits_from=plan["trained_configuration"]),
    "an axis twice": lambda plan: plan.update(transpose_forward=[0, 0, 1]),
    "no mask": lambda plan: _own(plan).update(use_mask_for_norm=[]),
    "mask of words": lambda plan: _own(plan).update(use_mask_for_norm=["x"]),
    "splines of order 9": lambda plan: _own(plan)["resampling_fn_data_kwargs"].update(order=9),
    "architecture is a word": lambda plan: _own(plan).update(architecture="x"),
    "features of a list less": lambda plan: _own(plan)["architecture"]["arch_kwargs"]["features_per_stage"].pop(),
    "an argument that no network takes": lambda plan: _own(plan)["architecture"]["arch_kwargs"].update(x=1),
    "a kernel of letters": lambda plan: _own(plan)["architecture"]["arch_kwargs"].update(kernel_sizes="ab"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_plan_that_was_edited_is_told_in_one_line(tmp_path, damage):
    plan = json.loads(PLANS.read_text())
    DAMAGES[damage](plan)
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    (tmp_path / "dataset.json").write_bytes(DATASET.read_bytes())
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match=r"plans\.json: ") as error:
        check_model_folder(tmp_path)
        network_from_plans(tmp_path / "plans.json", DATASET)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"[1]", b"\xff\xfe\0", b"", b"{", b"3", b"[" * 100000])
def test_a_file_that_is_no_json_object_is_told_in_one_line(tmp_path, content):
    (tmp_path / "plans.json").write_bytes(content)
    with pytest.raises(InputError, match=r"plans\.json: (is no JSON|holds no names and values)"):
        patch_size_from_plans(tmp_path / "plans.json")
    with pytest.raises(InputError, match="is no JSON"):
        patch_size_from_plans(tmp_path)


@pytest.mark.parametrize("axes", [[2], [-1], ["x"], 3, [0, 0.5]])
def test_axes_that_the_window_has_not_are_not_mirrored(tmp_path, axes):
    plan = json.loads(PLANS.read_text()) | {"inference_allowed_mirroring_axes": axes}
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    if axes == 3:
        axes = [3]
    with pytest.raises(InputError, match="inference_allowed_mirroring_axes"):
        mirror_axes_from_plans(tmp_path / "plans.json", configuration="2d")


@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "cochlea": 1, "VS": 2},
        {"background": 0, "VS extrameatal": 1, "VS intrameatal": 2, "cochlea": 3},
        {"background": 0, "cochlea": 1, "nerve": 2, "VS": 3},
    ],
)
def test_labels_that_would_be_taken_for_each_other_are_refused(tmp_path, labels):
    model_with(tmp_path, dataset={"labels": labels})
    with pytest.raises(InputError, match=r"dataset\.json: has .* takes one for the other"):
        check_model_folder(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        {"VS": 1, "cochlea": 2},
        {"background": 0},
        {"background": None, "VS": 1},
        {"background": 3, "VS": 1, "cochlea": 2},
        {"background": 0, "VS": 1, "cochlea": 3},
        {"background": 0, "VS": 1, "cochlea": 1},
        {"background": 0, "VS": [1, 2], "cochlea": 3},
        {"background": 0, "VS": "1", "cochlea": 2},
        {"background": 0, "VS": True},
        {"background": 0, "": 1},
    ],
)
def test_labels_that_are_no_plain_classes_are_refused(tmp_path, labels):
    model_with(tmp_path, dataset={"labels": labels})
    with pytest.raises(InputError) as error:
        read_structures(tmp_path / "dataset.json")
    assert str(error.value) == (
        f"{tmp_path}/dataset.json: is of another task: its labels {labels} are no plain classes 0, 1, 2, ..., "
        "the background being 0; give a model without region-based labels"
    )


def test_an_ignore_label_and_the_background_are_no_structures(tmp_path):
    model_with(tmp_path, dataset={"labels": {"background": 0, "cochlea": 2, "VS": 1, "ignore": 3}})
    assert read_structures(tmp_path / "dataset.json") == STRUCTURES


def test_labels_of_a_model_are_compared_with_those_of_a_run_by_name():
    check_same_labels(DATASET, STRUCTURES)
    renamed = {"tumor": 1, "cochlea": 2}
    for other in (renamed, {"VS": 2, "cochlea": 1}, {"VS": 1}, {"VS": 1, "cochlea": 2, "nerve": 3}):
        told = f"dataset.json: has the labels {STRUCTURES}, the run {other}; give a model of the same"
        with pytest.raises(InputError, match=re.escape(told)):
            check_same_labels(DATASET, Structures(other))


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("network_class_name", "subprocess.Popen"),
        ("network_class_name", "torch.nn.Conv2d.__init__.__globals__"),
        ("network_class_name", "torch.nn.init.xavier_uniform_"),
        ("conv_op", "os.system"),
    ],
)
def test_a_plan_that_names_anything_but_networks_calls_nothing(tmp_path, place, name):
    plan = json.loads(PLANS.read_text())
    architecture = plan["configurations"]["2d"]["architecture"]
    (architecture if place in architecture else architecture["arch_kwargs"])[place] = name
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"names .* which is no part of a network here"):
        network_from_plans(tmp_path / "plans.json", DATASET, "2d")


def test_three_structures_and_an_ignore_label_make_four_classes(tmp_path):
    labels = {"background": 0, "VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3, "ignore": 4}
    model_with(tmp_path, dataset={"labels": labels})
    network = network_from_plans(tmp_path / "plans.json", tmp_path / "dataset.json", "2d")
    assert network(torch.zeros(1, 1, 64, 64)).shape[1] == 4


@pytest.mark.parametrize(("stored", "axes"), [({}, (0, 1, 2)), ([1], (1,)), (None, ())])
def test_mirror_axes_are_those_of_the_training_or_all(tmp_path, stored, axes):
    plan = json.loads(PLANS.read_text())
    plan |= {} if stored == {} else {"inference_allowed_mirroring_axes": stored}
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    assert mirror_axes_from_plans(tmp_path / "plans.json", "all", "3d_fullres") == axes
    assert mirror_axes_from_plans(tmp_path / "plans.json", "never", "3d_fullres") == ()
    assert mirror_axes_from_plans(tmp_path / "plans.json", "left_right", "3d_fullres") == (
        () if stored in (None, [1]) else (2,)
    )


@pytest.mark.parametrize(
    ("configuration", "transpose", "orientation", "axes"),
    [
        ("2d", [0, 1, 2], "LPS", (1,)),  # windows of y, x
        ("3d_fullres", [0, 1, 2], "LPS", (2,)),
        ("3d_fullres", [2, 0, 1], "LPS", (0,)),
        ("2d", [2, 0, 1], "LPS", ()),  # sagittal slices: the sides lie across them
        ("3d_fullres", [0, 1, 2], "SPR", (0,)),
    ],
)
def test_the_axis_from_left_to_right_is_that_of_the_head_whatever_the_order_of_axes(
    tmp_path, configuration, transpose, orientation, axes
):
    plan = json.loads(PLANS.read_text()) | {"transpose_forward": transpose, "orientation": orientation}
    (tmp_path / "plans.json").write_text(json.dumps(plan))
    assert mirror_axes_from_plans(tmp_path / "plans.json", "left_right", configuration) == axes


def test_an_unknown_configuration_names_the_known_ones():
    with pytest.raises(InputError, match="choose one of 2d, 3d_fullres"):
        read_configuration(PLANS, "3d_lowres")


def test_a_folder_without_weights_says_so(tmp_path):
    with pytest.raises(InputError, match=r"plans\.json: is missing; train first"):
        check_model_folder(tmp_path)
    for file in (PLANS, DATASET):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"model\.pt: is missing"):
        check_model_folder(tmp_path)


def test_a_broken_plan_says_so(tmp_path):
    (tmp_path / "plans.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        read_configuration(tmp_path / "plans.json", "2d")


@pytest.mark.slow
def test_inference_does_not_import_nnunetv2():
    code = (
        "import sys, tanq_monai.segmentation.plan.plans, tanq_monai.segmentation.inference.inferer, "
        "tanq_monai.progress, tanq_monai.segmentation.plan.transforms\n"
        "sys.exit('nnunetv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("place", "name"), [("network_class_name", "fractions.Fraction"), ("conv_op", "torch.typename")]
)
def test_a_plan_that_nnunet_would_follow_elsewhere_is_refused_in_every_configuration(place, name):
    for configuration in ("2d", "3d_fullres"):
        plan = json.loads(PLANS.read_text())
        check_plan(plan, PLANS)
        architecture = plan["configurations"][configuration]["architecture"]
        (architecture if place in architecture else architecture["arch_kwargs"])[place] = name
        with pytest.raises(InputError, match=rf"names '{name}', which is no part of a network here"):
            check_plan(plan, PLANS)
