"""All configs of both bundles, with what is laid over them, as far as their choices are checked."""

import sys
from pathlib import Path

import pytest
from bundle_workflow import BUNDLES
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

PROGRAM = "/site-packages/monai/bundle/__main__.py"
OVERLAYS = {  # of a config: what its header says
    "tanq_translation/multi_gpu_train": "train",
    "tanq_translation/train_cyclegan": "train",
    "tanq_translation/train_exemplar": "train",
    "tanq_translation/keep_epochs": "train",
    "tanq_translation/cyclegan": "inference",
    "tanq_translation/exemplar": "inference",
    "vs_cochlea_seg/multi_gpu_train": "train",
}


def all_configs() -> dict[str, list[Path]]:
    """The files of every run that the bundles know, by the name of the last one."""
    runs = {}
    for bundle in BUNDLES.iterdir():
        folder = bundle / "configs"
        for path in sorted(folder.glob("*.yaml")) + sorted((folder / "ablations").glob("*.yaml")):
            name = f"{bundle.name}/{path.stem}"
            below = "train" if path.parent.name == "ablations" else OVERLAYS.get(name)
            runs[name] = [path] if below is None else [folder / f"{below}.yaml", path]
    return runs


RUNS = all_configs()


def read(name: str) -> dict:
    """The config of a run, as MONAI merges it."""
    return ConfigParser.load_config_files([str(path) for path in RUNS[name]])


def chosen(name: str, **choices: object) -> dict:
    """What the choices of a run are after its check, some being given in Python."""
    parser = ConfigParser()
    parser.read_config([str(path) for path in RUNS[name]])
    parser.read_meta(str(BUNDLES / name.split("/", maxsplit=1)[0] / "configs" / "metadata.json"))
    parser.update({"bundle_root": str(BUNDLES / name.split("/", maxsplit=1)[0])} | choices)
    parser.parse(reset=True)
    parser.get_parsed_content("initialize::1")
    return parser.ref_resolver.resolved_content


def typed(name: str, *words: str) -> dict:
    """The same, some being typed for ``python -m monai.bundle run``, which gives them to Fire."""
    names, values = [word.removeprefix("--") for word in words[::2]], map(DefaultParseValue, words[1::2])
    choices = {key: value for key, value in zip(names, values, strict=True) if value is not None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [PROGRAM, "run", *words])
        return chosen(name, **choices)
