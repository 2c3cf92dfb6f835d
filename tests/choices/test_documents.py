import pytest

from tanq_monai.choices.config import checked
from tanq_monai.choices.documents import TwiceError, parse_flow, parse_json, parse_yaml
from tanq_monai.errors import InputError

CONTENT = {"VS": 1, "nested": [{"a": None}, "b"]}


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_json, '{"VS": 1, "nested": [{"a": null}, "b"]}'),
        (parse_yaml, "VS: 1\nnested:\n- {a: null}\n- b"),
        (parse_flow, "{VS: 1, nested: [{a: null}, b]}"),
        (parse_flow, '{"VS": 1, "nested": [{"a": null}, "b"]}'),
    ],
)
def test_a_document_says_what_it_says(parse, text):
    assert parse(text) == CONTENT


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_json, '{"VS": 1, "cochlea": 2, "VS": 3}'),
        (parse_json, '[{"a": {"VS": 1, "VS": 1}}]'),
        (parse_yaml, "VS: 1\ncochlea: 2\nVS: 3"),
        (parse_yaml, "- a: {VS: 1, 'VS': 1}"),
        (parse_flow, "{VS: 1, cochlea: 2, VS: 3}"),
        (parse_flow, '{"VS": 1, "cochlea": 2, "VS": 3}'),
    ],
)
def test_a_name_that_stands_twice_is_refused(parse, text):
    with pytest.raises(TwiceError, match=r"^'VS' is named twice$"):
        parse(text)


@pytest.mark.parametrize("text", ["{", "[1", "{a: b: c}"])
def test_what_is_no_document_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse_flow(text)


@pytest.mark.parametrize("typed", ['{"VS": 1, "cochlea": 2, "VS": 3}', "{VS: 1, cochlea: 2, VS: 3}"])
def test_structures_that_were_typed_name_each_once_also_where_fire_has_taken_the_last(typed):
    with pytest.raises(InputError, match=r"^structures \{.*\}: 'VS' is named twice; name it once$"):
        checked("structures", {"VS": 3, "cochlea": 2}, typed)
