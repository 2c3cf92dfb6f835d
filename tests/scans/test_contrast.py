"""Which contrast a series is of, by its header."""

from pathlib import Path

import pytest
import yaml
from pydicom import DataElement
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from shared_data import shared_data_folder

from tanq_monai.deploy.app.synthetic import synthetic_tags
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.errors import InputError
from tanq_monai.scans.contrast import OWN_RULES, check_contrast, failed, look_of, read_rules, reason_against
from tanq_monai.scans.dicom import slices_of

RULES = {contrast: read_rules(OWN_RULES, contrast) for contrast in ("hrT2", "ceT1")}


def header(**tags):
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def scan(**tags):
    """A header of the kind that all looks want, and more."""
    return header(Modality="MR", MRAcquisitionType="3D", ImageType=["ORIGINAL", "PRIMARY"], SliceThickness=1.0, **tags)


def contrasts(found):
    return [contrast for contrast, rule in RULES.items() if look_of(found, rule)]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_every_published_protocol_is_of_its_contrast_alone(protocol):
    tags = virtual_tags("patient", protocol)
    tags.SliceThickness = 1.5
    assert contrasts(tags) == [protocol.contrast]


def sequence(kinds, variants, tr, te, **more):
    return scan(ScanningSequence=kinds, SequenceVariant=variants, RepetitionTime=tr, EchoTime=te, **more)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(sequence("GR", ["SS", "SK"], 5.5, 2, FlipAngle=60), id="GE FIESTA-C"),
        pytest.param(sequence("SE", ["SK", "SP", "OSP"], 1400, 184), id="Siemens SPACE"),
        pytest.param(sequence("SE", "SK", 1500, 250), id="Philips DRIVE"),
    ],
)
def test_other_vendors_hrt2_is_hrt2(found):
    assert contrasts(found) == ["hrT2"]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(sequence(["SE", "IR"], "SK", 5000, 390, InversionTime=1800), id="3D FLAIR"),
        pytest.param(sequence("SE", "SK", 5000, 390, SeriesDescription="t2_space_dark-fluid"), id="FLAIR by name"),
        pytest.param(sequence("SE", "SK", 700, 11), id="3D T1 TSE"),
        pytest.param(sequence("GR", "SP", 25, 7, FlipAngle=25, AngioFlag="Y"), id="TOF"),
        pytest.param(sequence("GR", "SP", 28, 20, FlipAngle=15), id="SWI"),
        pytest.param(sequence(["SE", "EP"], "SK", 5000, 90), id="EPI"),
        pytest.param(scan(), id="no timing"),
    ],
)
def test_other_series_of_the_head_are_neither(found):
    assert contrasts(found) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "CT"},
        {"MRAcquisitionType": "2D"},
        {"SliceThickness": 5.0},
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"SeriesDescription": "Localizer"},
    ],
    ids=str,
)
def test_what_all_looks_want_is_wanted(changes):
    tags = scan(ScanningSequence="SE", RepetitionTime=1500, EchoTime=200)
    assert contrasts(tags) == ["hrT2"]
    for keyword, value in changes.items():
        setattr(tags, keyword, value)
    assert contrasts(tags) == []


def test_our_own_synthetic_series_is_never_taken_for_a_scan():
    for protocol in PROTOCOLS.values():
        tags = synthetic_tags(virtual_tags("patient", protocol), "tanq_translation 1")
        tags.SliceThickness = 1.5
        assert contrasts(tags) == []


def test_a_contrast_agent_makes_no_difference():
    tags = scan(ScanningSequence="SE", RepetitionTime=1500, EchoTime=200, ContrastBolusAgent="Dotarem")
    assert contrasts(tags) == ["hrT2"]


def test_the_reason_names_the_first_condition_of_the_nearest_look():
    mprage = virtual_tags("patient", PROTOCOLS["MPRAGE"])
    mprage.SliceThickness = 1.5
    assert reason_against(mprage, RULES["hrT2"]) == "ScanningSequence GR\\IR, not one of SE"
    assert reason_against(header(), RULES["hrT2"]) == "Modality absent, not one of MR"


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"has": ["A"]}, ["B", "A"], True),
        ({"has": ["A"]}, "AB", False),
        ({"has": ["A"]}, None, False),
        ({"lacks": ["A"]}, ["B", "A"], False),
        ({"lacks": ["A"]}, None, True),
        ({"unlike": "flair"}, "T2 FLAIR", False),
        ({"unlike": "flair"}, None, True),
    ],
)
def test_comparisons_of_text_are_those_of_the_document(condition, value, holds):
    tags = header() if value is None else header(ImageType=value)
    assert (failed(tags, {"ImageType": condition}) == []) is holds


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"at_least": 80}, 80, True),
        ({"at_least": 80}, 79.9, False),
        ({"at_least": 80}, None, False),
        ({"at_most": 80}, 80, True),
        ({"at_most": 80}, 80.1, False),
        ({"at_most": 80}, "", False),
        ({"at_least": 1, "at_most": 3}, 2, True),
    ],
)
def test_comparisons_of_numbers_are_those_of_the_document(condition, value, holds):
    tags = header() if value is None else header(EchoTime=value)
    assert (failed(tags, {"EchoTime": condition}) == []) is holds


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rules: rules.pop("hrT2"), "has no rule for hrT2"),
        (lambda rules: rules["hrT2"].pop("looks"), "has no rule for hrT2"),
        (lambda rules: rules["hrT2"]["always"].update(EcoTime={"at_least": 1}), "names EcoTime, which is no attribute"),
        (lambda rules: rules["hrT2"]["always"].update(EchoTime={"over": 1}), "compares EchoTime by"),
        (lambda rules: rules["hrT2"]["always"].update(EchoTime={"at_least": "1"}), "compares EchoTime with '1'"),
        (lambda rules: rules["hrT2"]["always"].update(EchoTime=80), "compares EchoTime by 80"),
        (lambda rules: rules["hrT2"]["looks"].update(mine=None), "has None where conditions belong"),
    ],
)
def test_a_mistake_in_a_hospitals_rules_is_told(tmp_path, change, told):
    rules = yaml.safe_load(OWN_RULES.read_text())
    change(rules)
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules))
    with pytest.raises(InputError, match=f"^{path}: {told}[^\n]*; write it as"):
        read_rules(path, "hrT2")


@pytest.mark.parametrize("content", ["a: [", None])
def test_a_document_that_is_none_is_told(tmp_path, content):
    path = tmp_path / "rules.yaml"
    if content:
        path.write_text(content)
    with pytest.raises(InputError, match="cannot be read as YAML"):
        read_rules(path, "hrT2")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_a_published_protocol_may_be_given_as_its_contrast_and_not_as_the_other(protocol):
    tags = virtual_tags("patient", protocol)
    check_contrast(tags, protocol.contrast, Path("series"))
    other = {"hrT2": "ceT1", "ceT1": "hrT2"}[protocol.contrast]
    with pytest.raises(
        InputError, match=rf"series: is no {other} by its header \(.*, not .*\); give a series of {other}"
    ):
        check_contrast(tags, other, Path("series"))


def test_what_a_header_does_not_say_is_not_held_against_it():
    check_contrast(header(Modality="MR"), "hrT2", Path("series"))
    check_contrast(header(Modality="MR", EchoTime=160), "hrT2", Path("series"))
    with pytest.raises(InputError, match="Modality CT, not one of MR"):
        check_contrast(header(Modality="CT"), "hrT2", Path("series"))


def test_what_is_no_number_where_one_belongs_says_nothing():
    balanced = sequence("GR", "SS", 9.95, 4.43, FlipAngle=70)
    for keyword in ("FlipAngle", "SliceThickness"):
        balanced._dict[tag_for_keyword(keyword)] = DataElement(tag_for_keyword(keyword), "LO", "70 deg")
    check_contrast(balanced, "hrT2", Path("series"))
    assert look_of(balanced, RULES["hrT2"]) is None


def test_the_real_series_is_cet1_and_no_hrt2():
    folder = shared_data_folder("vs_seg_001") / "ceT1_dicom"
    slices_of(folder, "ceT1")
    with pytest.raises(InputError, match="ceT1_dicom: is no hrT2 by its header"):
        slices_of(folder, "hrT2")


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (["SK", "SS", "SP"], ["ceT1"]),
        (["SP", "OSP"], ["ceT1"]),
        (["SS", "SP"], ["ceT1"]),
        (["SS"], []),
        (["SK", "SS"], []),
    ],
)
def test_a_gradient_echo_is_ceT1_when_it_is_spoiled_whatever_else_it_says(variant, expected):
    found = scan(ScanningSequence="GR", SequenceVariant=variant, RepetitionTime=8.3, EchoTime=4.6, FlipAngle=8)
    assert contrasts(found) == expected
