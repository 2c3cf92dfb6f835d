"""Configs in JSON say what those in YAML say."""

import json

import pytest
from bundle_workflow import BUNDLES
from monai.bundle import ConfigParser

from tanq_monai.deploy.rendering import rendered_json
from tanq_monai.steps import BUNDLE_NAMES

CONFIGS = [BUNDLES / bundle / "configs" / f"{name}.yaml" for bundle in BUNDLE_NAMES for name in ("inference", "train")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_json_is_the_yaml_but_for_dictionaries_with_other_keys_than_names(path):
    def same(yaml, made):
        if isinstance(yaml, dict) and not all(isinstance(key, str) for key in yaml):
            return made.startswith("$") and eval(made[1:]) == yaml
        if isinstance(yaml, dict):
            return yaml.keys() == made.keys() and all(same(yaml[key], made[key]) for key in yaml)
        if isinstance(yaml, list):
            return len(yaml) == len(made) and all(map(same, yaml, made))
        return yaml == made

    assert same(ConfigParser.load_config_file(str(path)), json.loads(rendered_json(path)))


def test_monai_reads_label_values_as_keys(tmp_path):
    (tmp_path / "train.yaml").write_text("ranges:\n- 1: [0.2, 0.5]\n  2: [0.3, 1.0]\nname: {VS: 1}\n")
    (tmp_path / "train.json").write_text(rendered_json(tmp_path / "train.yaml"))
    parser = ConfigParser()
    parser.read_config(str(tmp_path / "train.json"))
    assert parser.get_parsed_content("ranges") == [{1: [0.2, 0.5], 2: [0.3, 1.0]}]
    assert parser.get_parsed_content("name") == {"VS": 1}


def test_a_reference_below_such_keys_is_refused(tmp_path):
    (tmp_path / "train.yaml").write_text("ranges: {1: '@low'}\n")
    with pytest.raises(ValueError, match="must be plain"):
        rendered_json(tmp_path / "train.yaml")
