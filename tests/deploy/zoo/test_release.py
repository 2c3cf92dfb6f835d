"""What is of the installed release is known by its bytes."""

import json

import pytest
from zoo_release import release

import tanq_monai
from tanq_monai.deploy.zoo.release import FILE, INSTALLED, digest, digests, foreign, told
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES


def test_the_list_of_the_release_is_that_of_the_bundles():
    assert json.loads(FILE.read_text()) == release(), "run scripts/zoo_release.py"


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_all_configs_of_both_bundles_are_of_the_release(name):
    files = digests(BUNDLES / name, skip="runs")
    assert {"configs/inference.yaml", "configs/train.yaml", "configs/logging.conf"} <= files.keys()
    assert foreign(files) == []


def test_a_file_is_known_by_its_bytes_and_its_place():
    config = json.loads(FILE.read_text())["vs_cochlea_seg"]["configs/train.yaml"]
    code = digest((INSTALLED / "manual.py").read_bytes())
    known = {"configs/train.yaml": config, "tanq_monai/manual.py": code}
    assert foreign(known) == []
    assert foreign({"configs/train.yaml": code, "tanq_monai/manual.py": config}) == list(known)
    moved = {
        "configs/other.yaml": config,
        "tanq_monai/other.py": code,
        "manual.py": code,
        "tanq_monai/../manual.py": code,
    }
    moved |= {"other/manual.py": code}
    assert foreign(moved) == list(moved)


def test_what_is_only_read_may_be_anything_and_what_is_not_known_may_run():
    read = ["LICENSE", "configs/metadata.json", "docs/README.md", "docs/images/a.png", "docs/evaluation.csv"]
    read += [f"models/{name}" for name in ("model.pt", "model.onnx", "model.json", "plans.json", "dataset.json")]
    read += ["models/source_statistics.json"]
    assert foreign(dict.fromkeys(read, "0" * 64)) == []
    other = ["models/model.ts", "models/other.pt", "configs/own.yaml", "docs/a.yaml", "a.py", "docs/__pycache__"]
    assert foreign(dict.fromkeys(other, "0" * 64)) == other


def test_foreign_files_are_told_in_a_few_words():
    installed = f"not of the installed tanq_monai {tanq_monai.__version__}"
    assert told(["a"]) == f"brings a, which is {installed}"
    assert told(["a", "b", "c"]) == f"brings a and 2 more, which are {installed}"
