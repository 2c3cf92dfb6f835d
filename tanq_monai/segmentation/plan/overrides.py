"""nnU-Net's plan with a user's values in place of its own."""

from typing import Any

from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

from tanq_monai.errors import InputError

Json = dict[str, Any]
_MIN_FEATURE_MAP = 4  # nnU-Net pools no axis below four voxels
_PER_STAGE = ("kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")


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
    named = [key for key in override if key in config["architecture"].get("_kw_requires_import", ())]
    if named or "architecture" in override:
        problem = f"names code: {', '.join(named or ['architecture'])}"
        raise InputError("plans_override", problem, "give a trainer of nnU-Net's that has such a network")
    if "data_identifier" in override:
        raise InputError("plans_override", "names a folder: data_identifier", "leave it out")
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
    if stages < 3:  # the weights of nnU-Net's deep supervision would sum to 0
        raise InputError("plans_override", f"leaves {stages} stages", "give three features_per_stage or more")
    network["n_stages"] = stages
    for key in ("features_per_stage", *(k for k in _PER_STAGE if k in network)):
        network[key] = _to_length(network[key], stages)
    network["n_conv_per_stage_decoder"] = _to_length(network["n_conv_per_stage_decoder"], stages - 1)


def _to_length(values: list[Any], length: int) -> list[Any]:
    return (values + values[-1:] * length)[:length]
