"""Values of every kind, as they come from a command line, from a file, or from Python."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tanq_monai.choices.kinds import (
    Component,
    Device,
    Either,
    Entries,
    Flag,
    Interval,
    Items,
    Labels,
    Misfit,
    Number,
    Place,
    Text,
    Whole,
    Word,
)

SHARE, SIZE, FOLD = Number(least=0, below=1), Whole(1), Either((Word(("all",)), Whole(0, 4)))


@pytest.mark.parametrize("word", ["true", "True", "yes", "on", "ON", True])
def test_words_for_true_are_true(word):
    assert Flag().parse(word) is True


@pytest.mark.parametrize("word", ["false", "False", "no", "off", "Off", False])
def test_words_for_false_are_false(word):
    assert Flag().parse(word) is False


@pytest.mark.parametrize("value", [0, 1, 1.0, "0", "", "maybe", None, [], [False], "None"])
def test_what_is_neither_true_nor_false_is_refused(value):
    with pytest.raises(Misfit, match=r"^is not true or false$"):
        Flag().parse(value)


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), (0.5, 0.5), ("0.25", 0.25), ("1e-4", 1e-4), (np.float32(0.5), 0.5)]
)
def test_a_number_within_its_range_is_that_number(value, number):
    assert SHARE.parse(value) == number


@pytest.mark.parametrize(
    "value",
    [1, 1.0, -0.1, "half", "", None, True, False, float("nan"), "nan", float("inf"), [0.5], {}, "0,5", "0.5 mm"],
)
def test_what_is_no_number_or_outside_its_range_is_refused(value):
    with pytest.raises(Misfit, match=r"^is not a number from 0 to below 1$"):
        SHARE.parse(value)


def test_a_number_keeps_its_type():
    assert [type(Number(0).parse(value)) for value in (1, 1.0)] == [int, float]


@pytest.mark.parametrize(("value", "number"), [(3, 3), ("3", 3), (3.0, 3), ("1e3", 1000), (np.int64(3), 3), ("007", 7)])
def test_a_whole_number_is_an_int(value, number):
    parsed = SIZE.parse(value)
    assert (parsed, type(parsed)) == (number, int)


@pytest.mark.parametrize("value", [0, -2, 2.5, "2.5", "two", None, True, "inf", float("nan"), [3], (1, 2)])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(Misfit, match=r"^is not a whole number, 1 or more$"):
        SIZE.parse(value)


def test_ranges_are_told_as_they_are():
    kinds = (Number(0, 1), Number(above=0), Number(above=0, most=10), Whole(0, 2**32 - 1), Whole(0), SHARE)
    assert [str(kind) for kind in kinds] == [
        "a number from 0 to 1",
        "a number above 0",
        "a number above 0 to 10",
        "a whole number from 0 to 4294967295",
        "a whole number, 0 or more",
        "a number from 0 to below 1",
    ]


@pytest.mark.parametrize(
    "text", ["1.10", "[new]", "2024", "a,b", "case#1", "a b", "{a: b}", "-x", "None.d", "'", "$x", "ä"]
)
def test_a_place_is_called_as_it_was_typed(text):
    assert Place().parse(text) == text


@pytest.mark.parametrize(
    ("typed", "meant"), [("'1.10'", "1.10"), ('"None"', "None"), ("'it'", "it"), ("'a'b'", "'a'b'")]
)
def test_quotes_within_quotes_mark_a_text(typed, meant):
    assert Place().parse(typed) == meant


def test_a_path_is_a_place():
    assert Place().parse(Path("a#b")) == "a#b"


@pytest.mark.parametrize("value", ["", 2022, 1.1, None, True, ["a"], ("a", "b"), {}, "a\0b"])
def test_what_is_no_place_is_refused(value):
    with pytest.raises(Misfit, match="is not the name of a file or folder"):
        Place().parse(value)


@pytest.mark.parametrize(
    "typed", ["hrT2,1.10", "[hrT2, 1.10]", "['hrT2', '1.10']", "('hrT2','1.10')", ["hrT2", "1.10"]]
)
def test_a_list_of_texts_may_be_typed_with_commas_or_as_yaml_or_python(typed):
    assert Items(Text()).parse(typed) == ["hrT2", "1.10"]


@pytest.mark.parametrize(("value", "items"), [("T2", ["T2"]), (("a", "b"), ["a", "b"]), ("2d,3d", ["2d", "3d"])])
def test_one_item_alone_is_a_list_of_it(value, items):
    assert Items(Text()).parse(value) == items


@pytest.mark.parametrize("value", [[], "[]", "", None, {}, {"a": 1}, [1], ["a", None], "[a", "a,,b", 3])
def test_what_is_no_list_of_texts_is_refused(value):
    with pytest.raises(Misfit, match=r"^is not a list, each a text$"):
        Items(Text()).parse(value)


@pytest.mark.parametrize(
    ("value", "folds"),
    [("all", ["all"]), (0, [0]), ("0,1", [0, 1]), ("[0, 4]", [0, 4]), (["all"], ["all"]), ("ALL", ["all"])],
)
def test_folds_are_numbers_or_all(value, folds):
    assert Items(FOLD).parse(value) == folds


@pytest.mark.parametrize("value", [5, -1, "some", [0, 5], True, 1.5, None])
def test_other_folds_are_refused(value):
    with pytest.raises(Misfit):
        Items(FOLD).parse(value)


@pytest.mark.parametrize("value", [[1, 2], (1, 2.0), "1,2", "[1, 2]", [1, 1]])
def test_an_interval_has_a_smallest_and_a_largest_value(value):
    low, high = Interval().parse(value)
    assert low <= high


@pytest.mark.parametrize("value", [[2, 1], [1], [1, 2, 3], 5, "a,b", None, [-1, 2], [1, None], {"a": 1, "b": 2}])
def test_what_is_no_interval_is_refused(value):
    with pytest.raises(Misfit, match="is not the smallest and the largest value"):
        Interval().parse(value)


@pytest.mark.parametrize("value", [{"VS": 1, "cochlea": 2}, "{VS: 1, cochlea: 2}", "{'VS': 1, 'cochlea': 2}"])
def test_structures_have_names_and_label_values(value):
    assert Labels().parse(value) == {"VS": 1, "cochlea": 2}


def test_several_values_make_a_union():
    both = {"VS": [1, 2], "VS intrameatal": 1, "cochlea": 3}
    assert Labels().parse(both) == both


@pytest.mark.parametrize(
    "value",
    [
        *(
            {},
            {"VS": 0},
            {"VS": 256},
            {"VS": 1.5},
            {"VS": "a"},
            {"VS": True},
            {"VS": None},
            {"VS": []},
            {"": 1},
            {1: 2},
        ),
        *({"VS": 1, "cochlea": 1}, ["VS", "cochlea"], "VS", None, 3, "{VS: 1", "{no: 1}"),
    ],
)
def test_what_names_no_label_values_is_refused(value):
    with pytest.raises(Misfit):
        Labels().parse(value)


@pytest.mark.parametrize("value", ["cpu", torch.device("cpu"), "cpu:0"])
def test_a_device_that_is_there_stays_as_it_was_given(value):
    assert Device().parse(value) is value


@pytest.mark.parametrize("value", ["gpu", "cuda:99", "", 0, None, "cpu:1", "meta", ["cpu"], True])
def test_a_device_that_is_not_there_is_refused(value):
    with pytest.raises(Misfit, match="is not a device of this machine"):
        Device().parse(value)


@pytest.mark.parametrize("value", [3, "x", None, [1], True, 0.5])
def test_a_plain_value_is_no_component(value):
    with pytest.raises(Misfit, match="is not a component with _target_"):
        Component().parse(value)


def test_entries_are_values_by_name():
    assert Entries().parse("{2d: {max_epochs: 3, mirror: no}}") == {"2d": {"max_epochs": 3, "mirror": False}}


def test_entries_by_some_names_have_kinds_of_their_own():
    kind = Entries(named={"size": Items(Whole(1), 2, 2)})
    assert kind.parse({"size": (3, 4), "other": "x"}) == {"size": [3, 4], "other": "x"}
    for wrong in ({"size": 3}, {"size": [0, 4]}, {"size": ["a", "b"]}):
        with pytest.raises(
            Misfit, match=r"^is not {name: value, \.\.\.}, size a list, each a whole number, 1 or more$"
        ):
            kind.parse(wrong)


def test_items_may_have_to_be_there_once_and_entries_at_all():
    assert Items(FOLD, once=True).parse([0, 1]) == [0, 1]
    with pytest.raises(Misfit, match=r"and there once$"):
        Items(FOLD, once=True).parse([0, 0])
    with pytest.raises(Misfit):
        Entries(least=1).parse({})


@pytest.mark.parametrize("value", [[], "a", 3, None, "{a", True])
def test_what_has_no_names_is_refused(value):
    with pytest.raises(Misfit):
        Entries().parse(value)
