"""Configs that are read without MONAI, beside what MONAI makes of the same files."""

import pytest
from choices.configs import RUNS, read
from monai.bundle import ConfigParser

from tanq_monai.choices.layers import at, has, put, read_layers


@pytest.mark.parametrize("name", RUNS)
def test_every_config_and_what_is_laid_over_it_reads_as_monai_reads_it(name):
    assert read_layers(RUNS[name]) == read(name)


def test_a_layer_replaces_adds_and_reaches_into_the_one_below_as_monai_does(tmp_path):
    below, above = tmp_path / "below.yaml", tmp_path / "above.yaml"
    below.write_text("a: 1\nb: {c: [1, 2], d: {e: 5}}\nf: [1]\n")
    above.write_text("a: {x: 2}\nb#c#1: 7\n+b#d: {g: 6}\n+f: [2, 3]\nb#new: null\n")
    found = read_layers([below, above])
    assert found == ConfigParser.load_config_files([str(below), str(above)])
    assert found == {"a": {"x": 2}, "b": {"c": [1, 7], "d": {"e": 5, "g": 6}, "new": None}, "f": [1, 2, 3]}


@pytest.mark.parametrize("name", ["b", "b#c", "b#c#1", "b#c#2", "b#c#x", "a#b", "z", "z#y", "b#c#0#0"])
def test_a_place_is_there_where_monai_finds_it(name):
    config = {"a": 1, "b": {"c": [1, 2]}}
    parser = ConfigParser(config)
    try:
        there = name in parser
    except TypeError:  # MONAI's, where a number has no places
        there = False
    assert has(config, name) == there
    if there:
        put(config, name, "new")
        assert at(config, name) == "new"
