"""What the check says of whole data sets: nothing of a good one, and one line for each fault that was put in."""

import gc
import json
import weakref
from functools import partial

import numpy as np
import pytest
from datasets import image, sheared, write_dataset
from files import LPS, MPRAGE, SHAPE, THREE, structures, three_classes, write_nifti, write_series
from work import calls_of

from tanq_monai.check import check_dataset, figures
from tanq_monai.errors import InputError, InputErrors

CISS = {"ScanningSequence": "GR", "SequenceVariant": "SS", "RepetitionTime": 9.95, "EchoTime": 4.43, "FlipAngle": 70}
HEIGHTS = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5]


@pytest.fixture
def data(tmp_path):
    return write_dataset(tmp_path / "D")


def told(folder, **choices):
    """The problems without the folder, which each begins with."""
    return [str(one).replace(f"{folder}/", "") for one in check_dataset(folder, **choices).problems]


def test_nothing_is_wrong_with_a_good_data_set(data):
    check = check_dataset(data)
    assert check.problems == ()
    check.raise_problems()
    assert check.parts == ("training_source", "training_target", "validation")
    assert [(scan.part, scan.case["case"], scan.case["contrast"], scan.is_test) for scan in check.scans] == [
        ("training_source", "crossmoda2021_ldn_1", "ceT1", False),
        ("training_source", "crossmoda2021_ldn_2", "ceT1", False),
        ("training_target", "crossmoda2021_ldn_106", "hrT2", False),
        ("training_target", "crossmoda2021_ldn_107", "hrT2", False),
        ("validation", "crossmoda2021_ldn_211", "hrT2", True),
        ("validation", "crossmoda2021_ldn_212", "hrT2", True),
    ]


SOURCE, TARGET, TEST = "training_source", "training_target", "validation"
CET1, LABEL = f"{SOURCE}/crossmoda2021_ldn_1_ceT1.nii.gz", f"{SOURCE}/crossmoda2021_ldn_1_Label.nii.gz"
HRT2 = f"{TARGET}/crossmoda2021_ldn_106_hrT2.nii.gz"


def with_nan():
    voxels = image(7)
    voxels[1, 2, 3] = np.nan
    return voxels


@pytest.mark.parametrize(
    ("file", "voxels", "affine", "line"),
    [
        (CET1, with_nan(), LPS, f"{CET1}: has 1 NaN or infinite voxels; replace them, e.g. by 0"),
        (HRT2, np.zeros(SHAPE), LPS, f"{HRT2}: shows nothing: all its voxels are 0; export or copy it again"),
        (HRT2, np.ones((*SHAPE, 2)), LPS, f"{HRT2}: has 4 dimensions (12, 10, 6, 2); give one 3D volume per file"),
        (
            HRT2,
            image(7),
            sheared(10),
            f"{HRT2}: has axes that are not at right angles (the cosine of two is 0.17); "
            "resample it to a grid without shear",
        ),
        (LABEL, 3 * structures(), LPS, f"{LABEL}: holds unknown label 3, 6; use only [0, 1, 2]"),
        (LABEL, structures() / 2, LPS, f"{LABEL}: holds NaN or fractions; store whole label numbers"),
        (
            LABEL,
            structures()[:-1],
            LPS,
            f"{LABEL}: has shape (11, 10, 6), its image (12, 10, 6); "
            "resample it to the grid of its image with nearest neighbours",
        ),
        (
            f"{TARGET}/scan7.nii.gz",
            image(7),
            LPS,
            f"{TARGET}/scan7.nii.gz: its name is outside the layout; call it CASE_hrT2.nii.gz",
        ),
        (
            f"{TARGET}/new/a_hrT2.nii.gz",
            image(7),
            LPS,
            f"{TARGET}/new: holds scans, which are not looked for below {TARGET}; "
            "give that folder, or put them beside the others",
        ),
        (
            f"{SOURCE}/new_hrT2.nii.gz",
            image(7),
            LPS,
            f"{SOURCE}/new_hrT2.nii.gz: is hrT2 by its name, and in training_source only ceT1 is read; "
            "put it where it belongs, or take it out",
        ),
        (
            f"{SOURCE}/new_Label.nii.gz",
            structures(),
            LPS,
            f"{SOURCE}/new_Label.nii.gz: is the label of no scan; put new_ceT1.nii.gz beside it, or take it out",
        ),
        (
            f"{SOURCE}/new_ceT1.nii.gz",
            image(7),
            LPS,
            f"{SOURCE}/new_Label.nii.gz: is missing, the label of new_ceT1.nii.gz; add it or take the case out",
        ),
        (
            "new_ceT1.nii.gz",
            image(7),
            LPS,
            "new_ceT1.nii.gz: lies beside the folders of the data set; put it into one of them, or take it out",
        ),
        (
            f"{TARGET}/new_hrT2.nii",
            image(0).astype(np.float64),
            LPS + np.diag([0, 0, 0.1, 0]),
            f"{TARGET}/new_hrT2.nii: shows what {CET1} shows, voxel by voxel; take one of them out",
        ),
        (
            f"{TEST}/crossmoda2021_ldn_1_hrT2.nii.gz",
            image(7),
            LPS,
            f"{TEST}/crossmoda2021_ldn_1_hrT2.nii.gz: is of the patient of {CET1}, and is to be tested on; "
            "keep a patient on one side, for training or for testing",
        ),
    ],
)
def test_a_fault_is_told_in_one_line_that_names_the_file(data, file, voxels, affine, line):
    write_nifti(data / file, voxels, affine)
    assert told(data) == [line.replace(f"below {TARGET}", f"below {data}/{TARGET}").replace(f"{data}/", "")]


def test_a_scan_for_testing_that_is_trained_on_is_told_once_and_by_the_copy_of_a_scan_a_patient_is_known(data):
    write_nifti(data / TEST / "crossmoda2021_ldn_106_hrT2.nii.gz", image(1000))  # as in training_target
    write_nifti(data / TARGET / "copy_hrT2.nii.gz", image(1001))
    write_nifti(data / TEST / "copy_hrT2.nii.gz", image(7))
    assert [line.partition(" and ")[0].partition(",")[0] for line in told(data)] == [
        f"{TARGET}/crossmoda2021_ldn_107_hrT2.nii.gz: shows what {TARGET}/copy_hrT2.nii.gz shows",
        f"{TEST}/crossmoda2021_ldn_106_hrT2.nii.gz: shows what {HRT2} shows",
        f"{TEST}/copy_hrT2.nii.gz: is of the patient of {TARGET}/copy_hrT2.nii.gz",
    ]


def test_faults_are_all_told_and_the_others_are_read(data):
    (data / CET1).write_bytes(b"")
    (data / TARGET / "a_hrT2.mha").touch()
    write_nifti(data / HRT2, with_nan())
    check = check_dataset(data)
    assert [str(one).replace(f"{data}/", "") for one in check.problems] == [
        f"{CET1}: is empty; copy it again",
        f"{TARGET}/a_hrT2.mha: is no kind of image that is read here; store it as .nii.gz",
        f"{HRT2}: has 1 NaN or infinite voxels; replace them, e.g. by 0",
    ]
    assert len(check.scans) == 4
    with pytest.raises(InputErrors, match="is empty; copy it again\n"):
        check.raise_problems()


def test_a_data_set_without_its_target_is_told_and_the_rest_is_read(data):
    (data / TARGET).rename(data / "elsewhere")
    check = check_dataset(data)
    (problem,) = check.problems
    assert "has not the folders of crossMoDA; give one with training_target or target_training" in str(problem)
    assert (len(check.scans), check.unread) == (4, ("elsewhere",))


def test_the_folders_of_2021_are_known(data):
    for old, new in ((SOURCE, "source_training"), (TARGET, "target_training"), (TEST, "target_validation")):
        (data / old).rename(data / new)
    check = check_dataset(data)
    assert (check.problems, len(check.scans), check.unread) == ((), 6, ())
    assert [scan.is_test for scan in check.scans] == [False] * 4 + [True] * 2


def test_labels_of_three_classes_are_taken_where_they_are_named(data):
    for label in (data / SOURCE).glob("*_Label.nii.gz"):
        write_nifti(label, three_classes())
    assert len(told(data)) == 2
    assert told(data, structures=THREE) == []


def test_a_label_beside_a_scan_to_train_on_is_read_too(data):
    label = f"{TARGET}/crossmoda2021_ldn_106_Label.nii.gz"
    write_nifti(data / label, structures()[:-1])
    (line,) = told(data)
    assert line.startswith(f"{label}: has shape (11, 10, 6)")


def test_a_plain_folder_may_hold_both_contrasts_of_its_cases(tmp_path):
    for number, suffix in enumerate(("ceT1", "hrT2")):
        write_nifti(tmp_path / f"a_{suffix}.nii.gz", image(number))
    write_nifti(tmp_path / "a_Label.nii.gz", structures())
    check = check_dataset(tmp_path)
    assert check.problems == ()
    found = [(scan.case["case"], scan.case["contrast"], "label" in scan.case, scan.is_test) for scan in check.scans]
    assert found == [("a", "ceT1", True, False), ("a", "hrT2", True, False)]


def test_a_fault_of_a_folder_with_both_contrasts_is_told_once(tmp_path):
    for number, suffix in enumerate(("ceT1", "hrT2")):
        write_nifti(tmp_path / f"a_{suffix}.nii.gz", image(number))
    write_nifti(tmp_path / "scan7.nii.gz", image(7))
    (tmp_path / "b_ceT1.mgz").touch()
    assert [line.partition(":")[0] for line in told(tmp_path)] == ["b_ceT1.mgz", "scan7.nii.gz"]


def test_in_a_plain_folder_a_scan_to_translate_wants_a_label_where_others_have_one(tmp_path):
    for number in range(2):
        write_nifti(tmp_path / f"a{number}_ceT1.nii.gz", image(number))
    assert told(tmp_path) == []
    write_nifti(tmp_path / "a0_Label.nii.gz", structures())
    (line,) = told(tmp_path)
    assert line.startswith("a1_Label.nii.gz: is missing, the label of a1_ceT1.nii.gz")


def test_of_series_each_is_taken_for_the_contrast_that_its_header_says(tmp_path):
    for number, (name, tags) in enumerate((("ce", MPRAGE), ("hr", CISS), ("any", {}))):
        write_series(tmp_path / name, 10 * np.rint(image(number)), HEIGHTS, **tags)
    flair = {"ScanningSequence": ["SE", "IR"], "RepetitionTime": 9000, "EchoTime": 120}
    write_series(tmp_path / "flair", image(7), HEIGHTS, **flair)
    check = check_dataset(tmp_path)
    found = {scan.case["case"]: scan.case["contrast"] for scan in check.scans}
    assert found == {"ce": "ceT1", "hr": "hrT2", "any": "hrT2 or ceT1"}
    assert [str(one).partition(" (")[0] for one in check.problems] == [
        f"{tmp_path}/flair: is no hrT2 by its header",
        f"{tmp_path}/flair: is no ceT1 by its header",
    ]


@pytest.mark.parametrize(
    ("names", "count"),
    [(("Ann", "Bob", "Ann"), 1), (("Ann", "Bob", "Cid"), 0), (("Ann", "Ann", "Ann"), 0), (("", "", ""), 0)],
)
def test_a_patient_is_known_by_what_series_call_it_unless_they_call_all_the_same(tmp_path, names, count):
    for number, (folder, name) in enumerate(zip((TARGET, TARGET, TEST), names, strict=True)):
        write_series(tmp_path / folder / f"case{number}", image(number), HEIGHTS, PatientID=name)
    write_nifti(tmp_path / SOURCE / "a_ceT1.nii", image(7))
    write_nifti(tmp_path / SOURCE / "a_Label.nii", structures())
    lines = told(tmp_path)
    assert [line.partition(";")[0] for line in lines] == [
        f"{TEST}/case2: is of the patient of {TARGET}/case0, and is to be tested on"
    ] * count


def test_translations_of_one_scan_are_one_patient_and_a_raw_data_set_is_read(tmp_path):
    for number in range(2):
        write_nifti(tmp_path / "imagesTr" / f"a{number}_0000.nii.gz", image(number))
        write_nifti(tmp_path / "labelsTr" / f"a{number}.nii.gz", structures())
    description = {"labels": {"background": 0, "VS": 1, "cochlea": 2}, "file_ending": ".nii.gz", "numTraining": 2}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    check = check_dataset(tmp_path)
    assert check.problems == ()
    assert [scan.case["contrast"] for scan in check.scans] == ["MR", "MR"]
    write_nifti(tmp_path / "imagesTr" / "a0_0000.nii.gz", with_nan())
    assert told(tmp_path) == ["imagesTr/a0_0000.nii.gz: has 1 NaN or infinite voxels; replace them, e.g. by 0"]


@pytest.mark.parametrize("make", [lambda folder: folder.mkdir(), lambda folder: folder.touch(), lambda folder: None])
def test_a_folder_without_a_scan_is_a_mistake_of_the_command(tmp_path, make):
    make(tmp_path / "D")
    with pytest.raises(InputError, match=r"^.*/D: (holds no image|is not a folder); give "):
        check_dataset(tmp_path / "D")


def test_structures_without_numbers_of_their_own_are_a_mistake_of_the_command(data):
    with pytest.raises(InputError, match="are not numbered"):
        check_dataset(data, structures=type(THREE)({"VS": 1, "cochlea": 3}))


def test_one_scan_is_in_memory_at_a_time(data, monkeypatch):
    alive, most, read = [], [], figures.read_volume

    def watched(path):
        gc.collect()
        most.append(sum(voxels() is not None for voxels in alive))
        volume = read(path)
        alive.append(weakref.ref(volume.voxels))
        return volume

    monkeypatch.setattr(figures, "read_volume", watched)
    check_dataset(data)
    assert most == [0] * 6


def test_the_work_grows_as_the_scans_do(tmp_path):
    first, few, many = (write_dataset(tmp_path / str(count), count) for count in (1, 3, 12))
    check_dataset(first)  # what is imported and read once
    assert calls_of(partial(check_dataset, many)) == pytest.approx(4 * calls_of(partial(check_dataset, few)), rel=0.1)
