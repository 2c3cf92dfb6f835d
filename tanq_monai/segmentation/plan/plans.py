"""The network and its space, read from nnU-Net's ``plans.json`` and ``dataset.json``, without nnunetv2.

A model folder holds ``model.pt`` (state dict), ``plans.json`` and ``dataset.json``. Its plans carry what nnU-Net keeps
in its checkpoints: ``trained_configuration``, which of the configurations the weights belong to, and
``inference_allowed_mirroring_axes``.
"""

import math
import re
from pathlib import Path
from pydoc import locate
from typing import TYPE_CHECKING, Any, Literal

from tanq_monai.choices.documents import parse_json
from tanq_monai.choices.kinds import Entries, Flag, Items, Kind, Misfit, Number, Text, Whole
from tanq_monai.errors import InputError
from tanq_monai.scans.grid import STORED
from tanq_monai.segmentation.plan.space import PlanSpace
from tanq_monai.segmentation.plan.splines import Interpolation
from tanq_monai.structures import Structures

if TYPE_CHECKING:
    from torch import nn

Json = dict[str, Any]
TRAINED = "trained_configuration"
ORIENTATION = "orientation"  # ours: where the axes of the training scans pointed; STORED where a plan does not say
MIRROR_AXES = "inference_allowed_mirroring_axes"
Mirror = Literal["left_right", "all", "never"]
_SUPPORTED = {
    "normalization_schemes": ["ZScoreNormalization"],  # one channel
    "preprocessor_name": "DefaultPreprocessor",
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "previous_stage": None,  # no cascade
}
_OTHER_TASK = "give a model of one MR channel, trained by train.yaml or by nnU-Net with its default planner"
PLAIN_NAME = re.compile(r"\w[\w.-]*", re.ASCII)  # of a file or folder, and of nothing that leads elsewhere
_NETWORKS = ("dynamic_network_architectures.", "torch.nn.")
_MIN_EDGE = 0.05  # mm: a finer plan would make terabytes of a head
_COPY = "copy it again from the training's models folder"
_NO_MODEL = ("is missing", "train first, or give --model_dir, the folder of a trained model")


def network_from_plans(
    plans_file: str | Path,
    dataset_file: str | Path,
    configuration: str | None = None,
    deep_supervision: bool = False,
) -> "nn.Module":
    """The network of a plan, freshly initialized: (B, 1, [z,] y, x) -> logits (B, K, [z,] y, x).

    Args:
        plans_file: nnU-Net's plans.
        dataset_file: nnU-Net's dataset.json; K is the number of its labels, "ignore" not counted.
        configuration: default the trained one.
        deep_supervision: a list of outputs, finest first, instead of one.

    Raises:
        InputError: when the plan names anything but networks of nnU-Net's and parts of torch, or describes none.
    """
    architecture = read_configuration(plans_file, configuration)["architecture"]
    classes = 1 + len(read_structures(dataset_file))
    network_class, kwargs = _network_of(architecture, plans_file)
    try:
        network = network_class(input_channels=1, num_classes=classes, deep_supervision=deep_supervision, **kwargs)
        return network.apply(network.initialize)  # type: ignore[arg-type]
    except Exception as error:  # whatever the network's own code says of numbers that are none of its
        raise InputError(plans_file, f"describes no network ({type(error).__name__}: {error})", _COPY) from error


def space_from_plans(plans_file: str | Path, configuration: str | None = None) -> PlanSpace:
    """How a scan becomes the network's input.

    Raises:
        InputError: when the plan asks for another preprocessing than nnU-Net's default for one channel of MR.
    """
    plan, config = read_json(plans_file), read_configuration(plans_file, configuration)
    for key, supported in _SUPPORTED.items():
        if config.get(key) != supported:
            problem = f"is of another task: {key} is {config.get(key)!r}, not {supported!r}"
            raise InputError(plans_file, problem, _OTHER_TASK)
    try:
        return PlanSpace(
            spacing=tuple(config["spacing"]),
            transpose=tuple(plan["transpose_forward"]),
            nonzero_only=Items(Flag(), 1, 1).parse(config["use_mask_for_norm"])[0],
            image=_interpolation(config["resampling_fn_data_kwargs"]),
            logits=_interpolation(config["resampling_fn_probabilities_kwargs"]),
            orientation=str(plan.get(ORIENTATION, STORED)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(plans_file, f"describes no space ({type(error).__name__}: {error})", _COPY) from error


def patch_size_from_plans(plans_file: str | Path, configuration: str | None = None) -> tuple[int, ...]:
    """The window of the network in voxels, (z, y, x) or, for slices, (y, x)."""
    return tuple(read_configuration(plans_file, configuration)["patch_size"])


def strides_from_plans(plans_file: str | Path, configuration: str | None = None) -> tuple[int, ...]:
    """What the size of an image must be a multiple of along each axis, in voxels: how far the deepest stage strides."""
    steps = read_configuration(plans_file, configuration)["architecture"]["arch_kwargs"]["strides"]
    return tuple(math.prod(along) for along in zip(*steps, strict=True))


def mirror_axes_from_plans(
    plans_file: str | Path, mirror: Mirror = "all", configuration: str | None = None
) -> tuple[int, ...]:
    """Axes of the window along which it is mirrored at test time, of those along which the training mirrored.

    Args:
        plans_file: names the axes of the training; where it does not, those are all.
        mirror: ``left_right``, for a mirrored head is nearly a head; ``all``, as nnU-Net does; or ``never``.
        configuration: of the plan; None: that of the weights beside it.

    Raises:
        InputError: when it names axes that the window has not.
    """
    every = range(len(patch_size_from_plans(plans_file, configuration)))
    named = read_json(plans_file).get(MIRROR_AXES, every) or ()
    axes = _parsed({MIRROR_AXES: named}, MIRROR_AXES, Items(Whole(0, len(every) - 1), 0), plans_file)
    if mirror == "all":
        return tuple(axes)
    side = space_from_plans(plans_file, configuration).left_right - (3 - len(every))
    return (side,) if mirror == "left_right" and side in axes else ()


def trained_configuration(folder: str | Path) -> str:
    """Which configuration the weights in a model folder belong to.

    Raises:
        InputError: when the folder holds no trained model of our task.
    """
    check_model_folder(folder)
    return str(read_json(Path(folder) / "plans.json")[TRAINED])


def check_model_folder(folder: str | Path) -> None:
    """Raise :class:`InputError` unless ``folder`` holds a trained model of our task."""
    space_from_plans(Path(folder) / "plans.json")
    read_structures(Path(folder) / "dataset.json")
    if not (Path(folder) / "model.pt").is_file():
        raise InputError(Path(folder) / "model.pt", *_NO_MODEL)


def read_structures(dataset_file: str | Path) -> Structures:
    """The classes of ``dataset.json`` besides the background, numbered 1, 2, 3, ...; an ignore label is no class.

    Raises:
        InputError: when it describes several channels, regions in place of labels, or VS and cochlea in another order
            than whoever reads the label maps expects.
    """
    content = read_json(dataset_file)
    channels, labels = content.get("channel_names"), content.get("labels")
    if not isinstance(channels, dict) or not isinstance(labels, dict):
        raise InputError(dataset_file, "is no dataset.json of nnU-Net v2", "copy it again from the training's folder")
    if len(channels) != 1:
        raise InputError(dataset_file, f"is of another task: {len(channels)} channels, not one", _OTHER_TASK)
    try:
        Whole(0, 0).parse(labels.get("background"))
        structures = Structures({name: one for name, one in labels.items() if name not in ("background", "ignore")})
        structures.numbered()
    except (Misfit, InputError) as error:
        problem = f"is of another task: its labels {labels} are no plain classes 0, 1, 2, ..., the background being 0"
        raise InputError(dataset_file, problem, "give a model without region-based labels") from error
    structures.check_order(dataset_file)
    return structures


def check_same_labels(dataset_file: str | Path, structures: Structures) -> None:
    """Raise unless a model has the labels of a run, by name and value: rules and tables go by the names.

    Args:
        dataset_file: of the model.
        structures: names and label values of the run.

    Raises:
        InputError: when it has others, or other names for them.
    """
    labels = read_structures(dataset_file)
    if labels != structures:
        problem = f"has the labels {labels}, the run {structures}"
        raise InputError(dataset_file, problem, "give a model of the same, or its --structures")


def check_plan(plan: Json, plans_file: str | Path) -> None:
    """Raise unless nnU-Net may follow a plan from anywhere: it calls whatever its configurations name as networks, and
    makes folders by the names of them and their data, deleting what an earlier run has left there.

    Raises:
        InputError: for anything but networks, and for a name that might lead elsewhere.
    """
    for name, config in plan.get("configurations", {}).items():
        if "architecture" in config:
            _network_of(config["architecture"], plans_file)
        for text in (name, config.get("data_identifier", name)):
            if not PLAIN_NAME.fullmatch(str(text)):
                raise InputError(plans_file, f"names the folder {text!r}", "give it a plain name, e.g. nnUNetPlans_2d")


def read_configuration(plans_file: str | Path, configuration: str | None = None) -> Json:
    """One configuration of a plan with what it inherits; default the trained one.

    Raises:
        InputError: when the plan has no such configuration, one without window or network, or is of an nnU-Net that
            wrote no architecture.
    """
    plan = read_json(plans_file)
    config = _inherited(plan, configuration or plan.get(TRAINED), plans_file)
    if "architecture" not in config:
        problem = "is a plan of an older nnU-Net: it has no architecture"
        raise InputError(plans_file, problem, "plan and train again with a present nnU-Net")
    window = _parsed(config, "patch_size", Items(Whole(1, 4096), 2, 3), plans_file)
    edges = Items(Number(least=_MIN_EDGE, most=100), len(window), len(window))
    spacing = _parsed(config, "spacing", edges, plans_file)
    architecture = _parsed(config, "architecture", Entries(), plans_file)
    _check_network(architecture, window, plans_file)
    return {**config, "patch_size": window, "spacing": spacing}


def read_json(path: str | Path) -> Json:
    """The object in a JSON file.

    Raises:
        InputError: when the file is missing, no JSON, or holds no object.
    """
    try:
        content = parse_json(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(path, *_NO_MODEL) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"is no JSON ({error})", _COPY) from error
    if not isinstance(content, dict):
        raise InputError(path, "holds no names and values", _COPY)
    return content


def _network_of(architecture: Json, plans_file: str | Path) -> "tuple[type[nn.Module], Json]":
    """The class of a network and its arguments, those that are classes as such."""
    kwargs = dict(architecture["arch_kwargs"])
    for name in architecture["_kw_requires_import"]:
        kwargs[name] = _module_class(kwargs[name], plans_file) if kwargs[name] is not None else None
    return _module_class(architecture["network_class_name"], plans_file), kwargs


def _module_class(name: str, plans_file: str | Path) -> "type[nn.Module]":
    """The class that a plan names; nothing else is called, since a plan may come from anywhere."""
    from torch import nn

    found = locate(name) if name.startswith(_NETWORKS) else None
    if not isinstance(found, type) or not issubclass(found, nn.Module):
        raise InputError(plans_file, f"names {name!r}, which is no part of a network here", _OTHER_TASK)
    return found


def _inherited(plan: Json, name: str | None, plans_file: str | Path, heirs: tuple[str, ...] = ()) -> Json:
    configurations = _parsed(plan, "configurations", Entries(Entries()), plans_file)
    if name is None or str(name) not in configurations:
        raise InputError(plans_file, f"has no configuration {name!r}", f"choose one of {', '.join(configurations)}")
    if name in heirs:
        raise InputError(plans_file, f"has a configuration that inherits from itself: {name}", _COPY)
    config: Json = configurations[name]
    parent = config.get("inherits_from")
    return config if parent is None else _inherited(plan, parent, plans_file, (*heirs, name)) | config


def _check_network(architecture: Json, window: list[int], plans_file: str | Path) -> None:
    """Raise unless a network is named whose strides fit the window."""
    axes = len(window)
    for key, kind in {"network_class_name": Text(), "_kw_requires_import": Items(Text(), 0)}.items():
        _parsed(architecture, key, kind, plans_file)
    kwargs = _parsed(architecture, "arch_kwargs", Entries(), plans_file)
    _parsed(kwargs, "features_per_stage", Items(Whole(1, 4096)), plans_file)
    for name in ("conv_op", "norm_op", "nonlin"):
        _parsed(kwargs, name, Text(), plans_file)
    if kwargs.get("dropout_op") is not None:
        _parsed(kwargs, "dropout_op", Text(), plans_file)
    strides = _parsed(kwargs, "strides", Items(Items(Whole(1, 64), axes, axes)), plans_file)
    of_axes = re.search(r"Conv(\d)d$", str(kwargs.get("conv_op")))
    if of_axes and int(of_axes[1]) != axes:
        raise InputError(plans_file, f"has a window of {axes} axes, and convolutions of others", _COPY)
    steps = [math.prod(along) for along in zip(*strides, strict=True)]
    if window == steps:
        raise InputError(plans_file, f"has a window of {window} voxels, of which the strides leave one", _COPY)
    if any(size % step for size, step in zip(window, steps, strict=True)):
        problem = f"has a window of {window} voxels, which the network's strides of {steps} do not divide"
        raise InputError(plans_file, problem, _COPY)


def _parsed(content: Json, key: str, kind: Kind, where: str | Path) -> Any:
    """What ``content`` has at ``key``, which must be of a kind."""
    if key not in content:
        raise InputError(where, f"has no {key}", _COPY)
    try:
        return kind.parse(content[key])
    except Misfit as error:
        raise InputError(where, f"has {key} {str(content[key])[:80]!r}, which {error}", _COPY) from error


def _interpolation(kwargs: Json) -> Interpolation:
    return Interpolation(kwargs["order"], kwargs["order_z"], kwargs["force_separate_z"])
