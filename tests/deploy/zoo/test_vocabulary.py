"""The vocabulary is what the configs of our own bundles say."""

from monai.bundle import ConfigParser

from tanq_monai.deploy.zoo.vocabulary import FILE, collect, read_vocabulary, to_json
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES


def test_the_file_is_what_the_script_would_write():
    files = [path for name in BUNDLE_NAMES for path in (BUNDLES / name / "configs").rglob("*.yaml")]
    configs = [ConfigParser.load_config_file(str(path)) for path in files]
    assert FILE.read_text() == to_json(collect(configs)), "run scripts/zoo_vocabulary.py and read the difference"


def test_a_name_stands_for_one_module_so_that_no_expression_gets_another_meaning():
    imports = [text.split() for text in read_vocabulary().expressions if text.startswith("$import ")]
    names = [words[-1].split(".")[0] for words in imports]
    assert len(set(names)) == len(names)


def test_texts_kinds_and_paths_of_arguments_are_collected():
    config = {
        "a": "$1 + 1",
        "b": {"_target_": "f", "x": [1, "t", {"_target_": "g"}], "y": {"z": "@a"}},
        "c#d": "text",
        "free": {"any": "text"},
    }
    found = collect([config])
    assert found.expressions == {"$1 + 1"}
    assert found.arguments == {
        "c#d": {"": ["text"]},
        "f": {"x": ["<list>"], "x[]": ["<component>", "<number>", "t"], "y": ["<dict>"], "y.z": ["@a"]},
        "g": {},
    }
