"""The lists hold what our own configs use, and no more."""

import ast

import pytest
from bundle_workflow import BUNDLES
from monai.bundle import ConfigParser

from tanq_monai.deploy.zoo import allowed, expressions
from tanq_monai.deploy.zoo.configs import _leaves


@pytest.fixture(scope="module")
def values():
    """Every value in every config, and the keys that lead to it."""
    files = sorted(path for path in BUNDLES.rglob("*.yaml"))
    return [leaf for file in files for leaf in _leaves(ConfigParser.load_config_file(str(file)), ())]


@pytest.fixture(scope="module")
def trees(values):
    """Every expression as Python's parser sees it."""
    texts = [value for _, value in values if isinstance(value, str) and value.startswith("$")]
    return [expressions._parsed(expressions._as_python(text, ""), "exec") for text in texts]


def test_targets_are_those_of_the_configs(values):
    assert {value for keys, value in values if keys[-1] == "_target_"} == allowed.TARGETS


def test_modules_are_those_of_the_configs(trees):
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert {node.names[0].name for node in imports} == allowed.MODULES


def test_names_methods_and_attributes_are_those_of_the_configs(values, trees):
    texts = [value for _, value in values if isinstance(value, str) and value.startswith("$")]
    imported = [found for text in texts if (found := expressions.imported_module(text))]
    aliases = {}
    for name, module in imported:
        aliases[name] = aliases.get(name, frozenset()) | {module}
    used = {
        name
        for text in texts
        if not expressions.imported_module(text)
        for name in expressions.called_names(text, "x", aliases)
    }
    assert used == allowed.NAMES.keys() | allowed.BUILTINS.keys()
    nodes = [node for tree in trees for node in ast.walk(tree)]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert allowed.METHODS.keys() | allowed.ATTRIBUTES <= attributes
