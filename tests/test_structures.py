import copy
import pickle

import pytest
import yaml

from tanq_monai.errors import InputError
from tanq_monai.structures import REGIONS, STRUCTURES, Roles, ScoredStructures, Structures

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


HINT = 'write them like {"VS": 1, "cochlea": 2}'


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
    assert STRUCTURES == REGIONS
    assert STRUCTURES.regions() == {1: 1, 2: 2}


def test_a_structure_is_of_the_region_that_its_name_begins_with():
    assert Structures(THREE).regions() == {1: 1, 2: 1, 3: 2}
    assert Structures({"cochlea right": 1, "cochlea left": 2, "VS": 3}).regions() == {1: 2, 2: 2, 3: 1}


@pytest.mark.parametrize("name", ["nerve", "vs", "the VS"])
def test_a_structure_of_no_region_is_told(name):
    words = rf"^structures: '{name}' is of no region of the translator; let its name begin with VS or cochlea$"
    with pytest.raises(InputError, match=words):
        Structures({"VS": 1, name: 2}).regions()


def test_all_that_begins_with_vs_is_one_tumor():
    assert STRUCTURES.roles() == Roles(vs=(1,), cochlea=2, ignore=3)
    assert Structures({"cochlea": 1, "VS extrameatal": 4, "VS intrameatal": 2}).roles() == Roles((4, 2), 1, 5)


@pytest.mark.parametrize("plain", [{"VS": 1}, {"cochlea": 2}, {"VS": 1, "cochlea": 2, "nerve": 3}])
def test_structures_that_are_neither_tumor_nor_cochlea_have_no_role(plain):
    words = f"^structures: are {', '.join(plain)}; name one cochlea, and VS or its parts so that they begin with VS$"
    with pytest.raises(InputError, match=words):
        Structures(plain).roles()


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
