"""The network of a bundle with its weights, for export."""

from pathlib import Path

from monai.bundle import ConfigParser
from torch import nn

from tanq_monai.errors import InputError

WEIGHTS = "models/model.pt"


def config_of(bundle: str | Path) -> Path:
    """``configs/inference.yaml`` of a bundle.

    Raises:
        InputError: when the folder is no bundle.
    """
    config = Path(bundle) / "configs" / "inference.yaml"
    if not config.is_file():
        raise InputError(config, "is missing", "give the folder of a bundle")
    return config


def read_network(bundle: str | Path) -> nn.Module:
    """The network of ``configs/inference.yaml`` with the weights of ``models/model.pt``, on the CPU, in eval mode.

    Raises:
        InputError: when the folder is no bundle, or has no weights.
    """
    config, weights = config_of(bundle), Path(bundle) / WEIGHTS
    if not weights.is_file():
        raise InputError(weights, "is missing", "train first, and put the weights there")
    parser = ConfigParser()
    parser.read_config(str(config))
    parser.update({"bundle_root": str(bundle), "device": "cpu", "engine": "torch", "amp": False})
    network: nn.Module = parser.get_parsed_content("network")
    return network.eval()
