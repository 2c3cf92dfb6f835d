"""The network and its space, read from nnU-Net's ``plans.json`` and ``dataset.json``, without nnunetv2.

A model folder holds ``model.pt`` (state dict), ``plans.json`` and ``dataset.json``. Its plans carry one key
more than nnU-Net's: ``trained_configuration``, which of the configurations the weights belong to.
"""

import json
from pathlib import Path
from pydoc import locate
from typing import Any, cast

from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.transforms.nnunet import PlanSpace
from tanq_monai.transforms.resampling import Interpolation

Json = dict[str, Any]
TRAINED = "trained_configuration"
_NORMALIZATION = "ZScoreNormalization"
_NO_MODEL = ("is missing", "train first, or give --model_dir, the folder of a trained model")


def network_from_plans(
    plans_file: str | Path,
    dataset_file: str | Path,
    configuration: str | None = None,
    deep_supervision: bool = False,
) -> nn.Module:
    """The network of a plan, freshly initialized: (B, 1, [z,] y, x) -> logits (B, K, [z,] y, x).

    Args:
        plans_file: nnU-Net's plans.
        dataset_file: nnU-Net's dataset.json; K is the number of its labels.
        configuration: default the trained one.
        deep_supervision: a list of outputs, finest first, instead of one.
    """
    architecture = read_configuration(plans_file, configuration)["architecture"]
    kwargs = dict(architecture["arch_kwargs"])
    for name in architecture["_kw_requires_import"]:
        kwargs[name] = locate(kwargs[name]) if kwargs[name] is not None else None
    network_class = cast(type[nn.Module], locate(architecture["network_class_name"]))
    network = network_class(
        input_channels=1,
        num_classes=len(read_json(dataset_file)["labels"]),
        deep_supervision=deep_supervision,
        **kwargs,
    )
    return network.apply(network.initialize)  # type: ignore[arg-type]


def space_from_plans(plans_file: str | Path, configuration: str | None = None) -> PlanSpace:
    """How a scan becomes the network's input.

    Raises:
        ValueError: when the plan asks for another normalization than the z-score of MR images.
    """
    plan, config = read_json(plans_file), read_configuration(plans_file, configuration)
    if config["normalization_schemes"] != [_NORMALIZATION]:
        raise ValueError(f"only one channel with {_NORMALIZATION} is supported, got {config['normalization_schemes']}")
    return PlanSpace(
        spacing=tuple(config["spacing"]),
        transpose=tuple(plan["transpose_forward"]),
        nonzero_only=bool(config["use_mask_for_norm"][0]),
        image=_interpolation(config["resampling_fn_data_kwargs"]),
        logits=_interpolation(config["resampling_fn_probabilities_kwargs"]),
    )


def patch_size_from_plans(plans_file: str | Path, configuration: str | None = None) -> tuple[int, ...]:
    """The window of the network in voxels, (z, y, x) or, for slices, (y, x)."""
    return tuple(read_configuration(plans_file, configuration)["patch_size"])


def check_model_folder(folder: str | Path) -> None:
    """Raise :class:`InputError` unless ``folder`` holds a trained model."""
    for name in ("plans.json", "dataset.json"):
        read_json(Path(folder) / name)
    if not (Path(folder) / "model.pt").is_file():
        raise InputError(Path(folder) / "model.pt", *_NO_MODEL)


def read_configuration(plans_file: str | Path, configuration: str | None = None) -> Json:
    """One configuration of a plan with what it inherits; default the trained one.

    Raises:
        InputError: when the plan has no such configuration.
    """
    plan = read_json(plans_file)
    name = configuration or plan.get(TRAINED)
    configurations = plan.get("configurations", {})
    if name not in configurations:
        raise InputError(plans_file, f"has no configuration {name!r}", f"choose one of {', '.join(configurations)}")
    config: Json = configurations[name]
    parent = config.get("inherits_from")
    return config if parent is None else read_configuration(plans_file, parent) | config


def read_json(path: str | Path) -> Json:
    """The object in a JSON file.

    Raises:
        InputError: when the file is missing or no JSON.
    """
    try:
        return cast(Json, json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(path, *_NO_MODEL) from error
    except json.JSONDecodeError as error:
        raise InputError(path, f"is no JSON ({error})", "copy it again from the training's models folder") from error


def _interpolation(kwargs: Json) -> Interpolation:
    return Interpolation(kwargs["order"], kwargs["order_z"], kwargs["force_separate_z"])
