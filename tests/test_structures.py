import copy
import pickle

import pytest
import yaml

from tanq_monai.errors import InputError
from tanq_monai.structures import REGIONS, STRUCTURES, Regions, Roles, ScoredStructures, Structures, region_of

THREE = {"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}
UNION = {"VS": [1, 2], "VS intrameatal": 1, "cochlea": 3}


@pytest.mark.parametrize("plain", [{"VS": 1, "cochlea": 2}, THREE, {"cochlea": 255}, {"cochlea": 1, "VS": 7}])
def test_structures_are_the_mapping_that_they_were_made_of(plain):
    structures = Structures(plain)
    assert structures == plain
    assert list(structures.items()) == list(plain.items())
    assert repr(structures) == repr(plain)
    assert Structures(structures) == structures


def test_structures_are_in_json_and_yaml_what_a_config_has():
    plain = dict(Structures(yaml.safe_load("{VS: 1, cochlea: 2}")))
    assert type(plain) is dict
    assert yaml.safe_load(yaml.safe_dump(plain)) == {"VS": 1, "cochlea": 2}


def test_scored_structures_are_unions_of_their_values_which_may_overlap():
    scored = ScoredStructures(UNION)
    assert dict(scored) == {"VS": (1, 2), "VS intrameatal": (1,), "cochlea": (3,)}
    assert ScoredStructures(scored) == scored
    assert ScoredStructures(STRUCTURES) == {"VS": (1,), "cochlea": (2,)}


@pytest.mark.parametrize("kind", [Structures, ScoredStructures])
def test_structures_do_not_change_with_what_they_were_made_of_nor_otherwise(kind):
    plain = dict(THREE)
    structures = kind(plain)
    plain["cochlea"] = 1
    assert structures == kind(THREE)
    with pytest.raises(TypeError):
        structures["cochlea"] = 1
    with pytest.raises(AttributeError):
        structures.nerve = 1


@pytest.mark.parametrize("structures", [Structures(THREE), ScoredStructures(UNION)])
def test_structures_are_the_same_after_a_process_or_a_copy_and_hash_alike(structures):
    for other in (pickle.loads(pickle.dumps(structures)), copy.copy(structures), copy.deepcopy(structures)):
        assert (other, type(other), hash(other)) == (structures, type(structures), hash(structures))
        assert list(other) == list(structures)
    assert len({structures, copy.copy(structures), STRUCTURES}) == 2


def test_the_order_of_names_makes_no_other_structures():
    swapped = Structures({"cochlea": 2, "VS": 1})
    assert swapped == STRUCTURES
    assert hash(swapped) == hash(STRUCTURES)


HINT = 'write them like {"VS": 1, "cochlea": 2}, or {"nerve": {"value": 3, "norm": "own"}}'


@pytest.mark.parametrize("kind", [Structures, ScoredStructures])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, f"structures {{}}: are no names with label values; {HINT}"),
        ("VS", f"structures VS: are no names with label values; {HINT}"),
        (None, f"structures None: are no names with label values; {HINT}"),
        ([1, 2], f"structures [1, 2]: are no names with label values; {HINT}"),
        ({"": 1}, f"structures: '': is no name; {HINT}"),
        ({" \n": 1}, f"structures: ' \\n': is no name; {HINT}"),
        ({1: 2}, f"structures: 1: is no name; {HINT}"),
        ({"VS": []}, f"structures: VS: [] is no label value from 1 to 255; {HINT}"),
        ({"VS": 0}, f"structures: VS: 0 is no label value from 1 to 255; {HINT}"),
        ({"VS": 256}, f"structures: VS: 256 is no label value from 1 to 255; {HINT}"),
        ({"VS": 1.0}, f"structures: VS: 1.0 is no label value from 1 to 255; {HINT}"),
        ({"VS": "1"}, f"structures: VS: '1' is no label value from 1 to 255; {HINT}"),
        ({"VS": [1, "2"]}, f"structures: VS: [1, '2'] is no label value from 1 to 255; {HINT}"),
        ({"VS": True}, f"structures: VS: True is no label value from 1 to 255; {HINT}"),
        ({"VS": None}, f"structures: VS: None is no label value from 1 to 255; {HINT}"),
        ({"VS": {1: 2}}, f"structures: VS: {{1: 2}} is no label value from 1 to 255; {HINT}"),
        ({"VS": 1, "cochlea": 1}, "structures: cochlea: has the label value of VS, 1; give each a value of its own"),
    ],
)
def test_what_are_no_structures_is_told_in_one_line(kind, given, told):
    with pytest.raises(InputError) as caught:
        kind(given)
    assert str(caught.value) == told


def test_a_union_is_for_scoring_alone():
    with pytest.raises(InputError, match=r"^structures: VS: has several label values; give every structure one$"):
        Structures(UNION)
    assert Structures({"VS": [1], "cochlea": (2,)}) == STRUCTURES


def test_values_for_a_training_begin_with_the_background_and_end_with_the_ignore_label():
    assert STRUCTURES.numbered() == (0, 1, 2)
    assert STRUCTURES.numbered(ignore=True) == (0, 1, 2, 3)
    assert Structures({"cochlea": 2, "VS": 1, "nerve": 3}).numbered(ignore=True) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("plain", [{"VS": 1, "cochlea": 3}, {"VS": 2}])
def test_a_training_wants_values_without_gaps(plain):
    with pytest.raises(InputError) as caught:
        Structures(plain).numbered()
    assert str(caught.value) == f"structures: {plain} are not numbered 1, 2, 3, ...; leave no number out"


def test_the_structures_that_a_configuration_begins_with_are_the_regions():
    assert STRUCTURES.regions() == REGIONS
    assert REGIONS.numbers == dict(STRUCTURES)
    assert REGIONS.norms == {"VS": "surroundings", "cochlea": "own"}
    assert REGIONS.of_values == {1: 1, 2: 2}


def test_a_structure_is_of_the_region_that_its_name_begins_with():
    assert Structures(THREE).regions() == Regions(REGIONS.norms, {1: 1, 2: 1, 3: 2})
    assert Structures({"cochlea right": 1, "cochlea left": 2, "VS": 3}).regions().of_values == {1: 2, 2: 2, 3: 1}
    assert Structures({"cochlea": 1}).regions() == Regions(REGIONS.norms, {1: 2})  # the shipped weights know both
    assert region_of("VSD patch") == "VSD patch"


@pytest.mark.parametrize("name", ["nerve", "vs", "the VS"])
def test_a_structure_without_a_norm_is_told(name):
    with pytest.raises(InputError) as caught:
        Structures({"VS": 1, name: 2}).regions()
    remedy = f"write it like {{{name}: {{value: 2, norm: own}}}}, or norm: surroundings"
    assert str(caught.value) == f"structures: '{name}' has no norm, by which the translator goes; {remedy}"


HEART = {"left atrium": {"value": 1, "norm": "own"}, "myocardium": {"value": 2, "norm": "surroundings"}}


def test_structures_with_norms_are_the_same_to_a_config_a_process_and_a_copy():
    heart = Structures(HEART)
    assert dict(heart) == {"left atrium": 1, "myocardium": 2}
    assert heart.plain() == HEART and repr(heart) == repr(HEART)
    for other in (
        Structures(heart),
        Structures(heart.plain()),
        pickle.loads(pickle.dumps(heart)),
        copy.deepcopy(heart),
    ):
        assert (other, repr(other), other.regions()) == (heart, repr(heart), heart.regions())
    assert ScoredStructures(HEART) == {"left atrium": (1,), "myocardium": (2,)}
    assert repr(Structures({"VS": {"value": 1, "norm": "surroundings"}, "cochlea": 2})) == repr(STRUCTURES)


@pytest.mark.parametrize("values", [(1, 2, 3, 4), (4, 3, 2, 1), (7, 1, 9, 2)])
def test_regions_are_those_with_the_norm_of_their_surroundings_then_those_with_their_own_by_value(values):
    norms = ("own", "surroundings", "own", "surroundings")
    given = {f"s{n}": {"value": value, "norm": norm} for n, (value, norm) in enumerate(zip(values, norms, strict=True))}
    found = Structures(given).regions()
    expected = sorted((norm == "own", value) for value, norm in zip(values, norms, strict=True))
    assert found.of_values == {value: number for number, (_, value) in enumerate(expected, start=1)}
    assert list(found.norms.values()) == ["surroundings"] * 2 + ["own"] * 2
    assert found.numbers == {name: found.of_values[one["value"]] for name, one in given.items()}


def test_a_nerve_beside_vs_and_cochlea_leaves_their_numbers():
    found = Structures({"cochlea": 2, "VS": 1, "nerve": {"value": 3, "norm": "own"}}).regions()
    assert found.numbers == {"VS": 1, "cochlea": 2, "nerve": 3}


def test_weights_go_by_name_before_norm():
    regions = Structures(HEART).regions()
    by_norm = {"others": 0.01, "surroundings": 0.6, "own": 1.2}
    assert regions.weights(by_norm) == [0.01, 0.6, 1.2]
    assert regions.weights(by_norm | {"myocardium": 3.0}) == [0.01, 3.0, 1.2]
    assert regions.by_number({"left atrium": "bright"}, "levels") == {2: "bright"}


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"others": 1, "own": 1}, "weights#classes: has no weight of myocardium; give others, and every structure"),
        ({"own": 1, "surroundings": 1}, "weights#classes: has no weight of others; give"),
        ({"others": 1, "VS": 1}, "weights#classes: 'VS' is none of the structures; name myocardium, left atrium"),
    ],
)
def test_weights_that_are_missing_or_of_nothing_are_told(weights, told):
    with pytest.raises(InputError, match=f"^{told}"):
        Structures(HEART).regions().weights(weights)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"a": {"value": 1, "norm": "none"}}, "structures: a: has the norm 'none'; choose own or surroundings"),
        (HEART | {"b": 2}, "structures: b: has the label value of myocardium, 2; give each a value of its own"),
        ({"a": {"norm": "own"}}, f"structures: a: {{'norm': 'own'}} is no label value from 1 to 255; {HINT}"),
        (
            {"VS in": {"value": 1, "norm": "own"}, "VS out": 2},
            "structures: parts of VS have different norms; give them one",
        ),
    ],
)
def test_a_norm_that_there_is_not_and_a_value_twice_are_told(given, told):
    with pytest.raises(InputError) as caught:
        Structures(given).regions()
    assert str(caught.value) == told


def test_all_that_begins_with_vs_is_one_tumor():
    assert STRUCTURES.roles() == Roles(vs=(1,), cochlea=2, ignore=3)
    assert Structures({"cochlea": 1, "VS extrameatal": 4, "VS intrameatal": 2}).roles() == Roles((4, 2), 1, 5)


@pytest.mark.parametrize("plain", [{"VS": 1}, {"cochlea": 2}, {"left atrium": 1, "myocardium": 2}])
def test_without_both_tumor_and_cochlea_nothing_has_a_role(plain):
    assert Structures(plain).roles() is None
    assert Structures(plain).others == plain


def test_what_is_neither_tumor_nor_cochlea_has_no_role_beside_them():
    structures = Structures({"VS extrameatal": 1, "nerve": 2, "cochlea": 3})
    assert structures.roles() == Roles((1,), 3, 4)
    assert structures.others == {"nerve": 2}
    assert structures.ignore == 4


@pytest.mark.parametrize("plain", [THREE, {"VS": 1, "cochlea": 2}, {"nerve": 1, "cochlea": 2}, {"VS": 5, "cochlea": 9}])
def test_structures_in_the_order_of_crossmoda_are_taken_for_what_they_are(plain):
    Structures(plain).check_order("here")


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        ({"VS": 2, "cochlea": 1}, "VS 2, cochlea 1"),
        ({"VS intrameatal": 2, "VS extrameatal": 1, "nerve": 3}, "VS intrameatal 2, VS extrameatal 1"),
    ],
)
def test_structures_in_another_order_would_be_taken_for_each_other(plain, told):
    with pytest.raises(InputError, match=rf"^here: has {told}: .* takes one for the other; number them in the order"):
        Structures(plain).check_order("here")
