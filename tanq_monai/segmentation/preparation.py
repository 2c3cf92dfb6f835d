"""From labelled scans to nnU-Net's preprocessed data set: raw data set, fingerprint, plan, preprocessing."""

import contextlib
import multiprocessing
import shutil
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from tanq_monai.data.raw_dataset import CHANNEL, ENDING, describe_dataset, write_label
from tanq_monai.errors import InputError
from tanq_monai.files import write_json
from tanq_monai.segmentation.folders import PLANS, RunFolders
from tanq_monai.segmentation.plans import read_json

Case = dict[str, str]
Json = dict[str, Any]
_MIN_FEATURE_MAP = 4  # nnU-Net pools no axis below four voxels
_PER_STAGE = ("kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")


def prepare(
    cases: Sequence[Case],
    folders: RunFolders,
    configuration: str,
    plans_override: Json | None = None,
    num_processes: int = 2,
) -> None:
    """Bring ``folders.preprocessed`` into being, unless this very preparation is there already.

    Args:
        cases: dicts with ``image`` and ``label`` (files on one grid).
        folders: of the run.
        configuration: ``2d`` or ``3d_fullres``.
        plans_override: see :func:`override_plan`.
        num_processes: of nnU-Net; 0 = threads, which saves the half minute in which two processes start.

    Raises:
        InputError: when the run was begun with other cases or settings.
    """
    wanted = _settings(cases, configuration, plans_override)
    done = folders.root / "prepared.json"
    if done.exists():
        if read_json(done) != wanted:
            raise InputError(
                folders.root,
                "was begun with other cases or plan settings",
                "choose another --output_dir or delete it",
            )
        return
    shutil.rmtree(folders.preprocessed, ignore_errors=True)
    write_raw_dataset(cases, folders.raw)
    pool_size = max(1, num_processes)
    with folders.active(), contextlib.nullcontext() if num_processes else _threads_for_processes():
        extract_fingerprints([1], num_processes=pool_size, verbose=False)
        plan_experiments([1])
        plan = override_plan(read_json(folders.plans_file), configuration, plans_override or {})
        write_json(plan, folders.plans_file)
        # Not nnU-Net's preprocess_dataset: it needs distutils, which Python 3.12 no longer has.
        preprocessor = PlansManager(plan).get_configuration(configuration).preprocessor_class(verbose=False)
        preprocessor.run(1, configuration, PLANS, pool_size)
    shutil.copytree(folders.raw / "labelsTr", folders.preprocessed / "gt_segmentations")
    write_json(wanted, done)


def write_raw_dataset(cases: Sequence[Case], folder: Path) -> None:
    """nnU-Net's raw data set: images stay where they are, labels (float64 in crossMoDA) become uint8."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "labelsTr").mkdir(parents=True)
    dataset = {}
    for case in cases:
        name = Path(case["image"]).name.removesuffix(ENDING).removesuffix(f"_{CHANNEL}")
        label = folder / "labelsTr" / f"{name}{ENDING}"
        write_label(Path(case["label"]), Path(case["image"]), label)
        dataset[name] = str(Path(case["image"]).resolve()), f"labelsTr/{label.name}"
    write_json(describe_dataset(dataset), folder / "dataset.json")


def override_plan(plan: Json, configuration: str, override: Json) -> Json:
    """A plan whose ``configuration`` has other values.

    Keys are those of the configuration (``batch_size``, ``patch_size``, ``spacing``, ...) or of its network
    (``features_per_stage``, ``n_conv_per_stage``, ...). A new ``patch_size`` or ``spacing`` gets the strides
    and kernels that nnU-Net derives from it; fewer ``features_per_stage`` drop the deepest stages.
    """
    config = read_configuration_of(plan, configuration)
    network = config["architecture"]["arch_kwargs"]
    unknown = [key for key in override if key not in config and key not in network]
    if unknown:
        raise InputError("plans_override", f"has unknown keys {unknown}", f"choose of {sorted({*config, *network})}")
    for key, value in override.items():
        (network if key in network else config)[key] = value
    if {"patch_size", "spacing"} & override.keys():
        _derive_topology(config, network, override)
    _set_depth(network, override)
    return plan


def read_configuration_of(plan: Json, name: str) -> Json:
    """The configuration itself, to be changed in place.

    Raises:
        InputError: when the plan has none of that name.
    """
    if name not in plan["configurations"]:
        raise InputError(
            "configuration",
            f"{name!r} is not in nnU-Net's plan",
            f"choose of {sorted(plan['configurations'])}",
        )
    config: Json = plan["configurations"][name]
    return config


def _derive_topology(config: Json, network: Json, override: Json) -> None:
    _, strides, kernels, patch, _ = get_pool_and_conv_props(
        config["spacing"], config["patch_size"], _MIN_FEATURE_MAP, 999999
    )
    config["patch_size"] = [int(n) for n in patch]
    derived = {"strides": [list(s) for s in strides], "kernel_sizes": [list(k) for k in kernels]}
    network |= {key: value for key, value in derived.items() if key not in override}


def _set_depth(network: Json, override: Json) -> None:
    """As many stages as strides and given widths; lists of other lengths are cut or prolonged."""
    stages = min(len(network["strides"]), len(override.get("features_per_stage") or network["strides"]))
    network["n_stages"] = stages
    for key in ("features_per_stage", *(k for k in _PER_STAGE if k in network)):
        network[key] = _to_length(network[key], stages)
    network["n_conv_per_stage_decoder"] = _to_length(network["n_conv_per_stage_decoder"], stages - 1)


def _to_length(values: list[Any], length: int) -> list[Any]:
    return (values + values[-1:] * length)[:length]


@contextlib.contextmanager
def _threads_for_processes() -> Iterator[None]:
    """nnU-Net's pools of spawned processes become pools of threads: it has no switch for it."""
    with mock.patch.object(multiprocessing, "get_context", lambda *_: SimpleNamespace(Pool=ThreadPool)):
        yield


def _settings(cases: Sequence[Case], configuration: str, override: Json | None) -> Json:
    files = sorted(str(Path(case[key]).resolve()) for case in cases for key in ("image", "label"))
    stamps = [[file, Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in files]
    return {"files": stamps, "configuration": configuration, "plans_override": _plain(override or {})}


def _plain(value: Any) -> Any:
    """JSON types only, so that a setting equals itself after a round trip."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
