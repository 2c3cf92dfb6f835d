"""Both bundles as MONAI's model zoo and the Hugging Face hub want them: whole, within their rules, and still ours."""

import json

import other_zoos
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES
from huggingface_hub import ModelCard, load_torch_model
from made_up_zoo import make_bundle

from tanq_monai.deploy.bundle_network import read_network
from tanq_monai.deploy.zoo.audit import audit_bundle
from tanq_monai.errors import InputError
from tanq_monai.steps import BUNDLE_NAMES

both = pytest.mark.parametrize("name", BUNDLE_NAMES)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    other_zoos.hugging_face(str(folder))
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model_zoo")
    other_zoos.model_zoo(str(folder))
    return folder


@both
def test_the_audit_takes_both_layouts(models, checkout, name):
    for bundle in (models / name, checkout / "models" / name):
        assert audit_bundle(bundle)[1] == []


@both
def test_the_hub_reads_card_and_weights_from_the_folder_and_they_are_those_of_the_bundle(models, name):
    card = ModelCard.load(models / name / "README.md")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "monai")
    assert card.data.model_name == json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())["name"]
    assert card.text.strip() == (BUNDLES / name / "docs" / "README.md").read_text().strip()
    network, expected = read_network(models / name), read_network(BUNDLES / name).state_dict()
    for value in network.state_dict().values():
        value.zero_()
    load_torch_model(network, models / name / "models")
    assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items())


@both
def test_the_zoo_gets_what_its_checks_ask_for_and_nothing_above_its_limit(checkout, name):
    bundle = checkout / "models" / name
    needed = ("LICENSE", "configs/metadata.json", "configs/inference.yaml", "models/model.pt", "docs/README.md")
    assert [file for file in needed if not (bundle / file).is_file()] == []
    assert (checkout / "ci" / "unit_tests" / f"test_{name}.py").is_file()
    assert [path for path in checkout.rglob("*") if path.stat().st_size > 25 * 2**20] == []
    card = (bundle / "docs" / "README.md").read_text()
    parts = ("### **Authors**", "### **Tags**", "## Model description", "## Data", "## Performance")
    assert [part for part in (*parts, "## System configuration") if part not in card] == []


def test_a_file_above_the_limit_is_refused_without_an_address_and_named_with_one(tmp_path, monkeypatch):
    monkeypatch.setattr(other_zoos, "LIMIT", 10 * 2**20)
    with pytest.raises(InputError, match=r"vs_cochlea_seg/models/model\.pt: is larger than the 25 MB"):
        other_zoos.model_zoo(str(tmp_path / "without"))
    other_zoos.model_zoo(str(tmp_path / "with"), url="https://example.org/weights")
    bundle = tmp_path / "with" / "models" / "vs_cochlea_seg"
    assert not (bundle / "models" / "model.pt").exists()
    (told,) = yaml.safe_load((bundle / "large_files.yml").read_text())["large_files"]
    assert (told["path"], told["url"]) == ("models/model.pt", "https://example.org/weights/model.pt")
    lines, problems = audit_bundle(bundle)
    assert problems == []
    assert any("https://example.org/weights/model.pt" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("large_files.yml", "large_files: [{path: configs/own.yaml, url: 'https://a'}]"),
        ("large_files.yml", "large_files: [{path: models/model.pt, url: 'http://a'}]"),
        ("large_files.json", '{"large_files": [{"path": "../model.pt", "url": "https://a"}]}'),
        ("large_files.yml", "{imports: [$import os], large_files: []}"),
        ("models/model.safetensors", "no weights"),
    ],
)
def test_what_is_more_than_its_name_says_is_refused(tmp_path, name, content):
    bundle = make_bundle(tmp_path / "bundle", files={name: content})
    (problem,) = map(str, audit_bundle(bundle)[1])
    assert problem.startswith(f"{bundle}: {name} ")
    assert problem.endswith("; do not use it")
