import gzip

import numpy as np
import pytest
from files import MPRAGE, THREE, scan, structures, three_classes, write_case, write_nifti, write_series

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import renewing
from tanq_monai.scans.folder import LabelFiles, find_images, find_labelled, problems_of, with_styles
from tanq_monai.scans.naming import case_of, name_by_case, site_of
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import Structures


def test_labelled_cases_are_listed_by_name(tmp_path):
    names = ["crossmoda2022_etz_0", "crossmoda2021_ldn_2"]
    files = {name: write_case(tmp_path, name) for name in names}
    found = find_labelled(tmp_path)
    assert found.problems == []
    assert found.cases == [
        {"case": name, "patient": name, "image": str(files[name][0]), "label": str(files[name][1])}
        for name in sorted(names)
    ]
    found.raise_problems()


@pytest.mark.parametrize("suffix", ["hrT2", "T2"])
def test_images_of_the_target_domain_are_listed_without_labels(tmp_path, suffix):
    image, _ = write_case(tmp_path, "crossmoda2021_ldn_106", suffix)
    assert find_images(tmp_path).cases == [{"case": "crossmoda2021_ldn_106", "image": str(image)}]


def test_the_other_contrast_is_not_listed(tmp_path):
    write_case(tmp_path, "crossmoda2021_ldn_1", "ceT1")
    write_case(tmp_path, "crossmoda2021_ldn_106", "hrT2")
    assert [c["case"] for c in find_labelled(tmp_path).cases] == ["crossmoda2021_ldn_1"]
    assert [c["case"] for c in find_images(tmp_path).cases] == ["crossmoda2021_ldn_106"]


def test_bad_cases_are_all_told_and_good_ones_still_listed(tmp_path):
    write_case(tmp_path, "crossmoda2021_ldn_1")
    write_case(tmp_path, "crossmoda2021_ldn_9")
    missing = write_nifti(tmp_path / "crossmoda2021_ldn_2_ceT1.nii.gz", scan())
    array = scan()
    array[0, 0, 0] = np.nan
    write_case(tmp_path, "crossmoda2021_ldn_3")
    write_nifti(tmp_path / "crossmoda2021_ldn_3_ceT1.nii.gz", array)
    write_case(tmp_path, "crossmoda2021_ldn_4")[1].write_bytes(b"")
    write_nifti(tmp_path / "scan7.nii.gz", scan())
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == [
        "crossmoda2021_ldn_1",
        "crossmoda2021_ldn_3",
        "crossmoda2021_ldn_9",
    ]
    with pytest.raises(InputErrors) as error:
        found.raise_problems()
    lines = sorted(str(error.value).splitlines())
    folder = tmp_path
    assert lines == sorted(
        [
            f"{folder}/crossmoda2021_ldn_2_Label.nii.gz: is missing, the label of {missing.name}; "
            "add it or take the case out",
            f"{folder}/crossmoda2021_ldn_4_Label.nii.gz: is empty; copy it again",
            f"{folder}/scan7.nii.gz: its name is outside the layout; call it CASE_ceT1.nii.gz",
        ]
    )
    nan = f"{folder}/crossmoda2021_ldn_3_ceT1.nii.gz: has 1 NaN or infinite voxels; replace them, e.g. by 0"
    assert list(map(str, problems_of(found.cases))) == [nan]


def test_a_folder_of_nothing_but_bad_cases_tells_what_is_bad(tmp_path):
    write_case(tmp_path)[0].write_bytes(b"")
    found = find_labelled(tmp_path)
    assert found.cases == []
    with pytest.raises(InputErrors, match=r"crossmoda2021_ldn_1_ceT1\.nii\.gz: is empty; copy it again"):
        found.raise_problems()


@pytest.mark.parametrize("find", [find_images, find_labelled])
def test_an_empty_folder_is_told(tmp_path, find):
    with pytest.raises(InputError, match=rf"^{tmp_path}: holds no image; give a folder with \*_\w+\.nii\.gz"):
        find(tmp_path)


@pytest.mark.parametrize("find", [find_images, find_labelled])
def test_something_that_is_no_folder_is_told(tmp_path, find):
    for path in (tmp_path / "nowhere", write_nifti(tmp_path / "a_ceT1.nii.gz", scan())):
        with pytest.raises(InputError, match=rf"^{path}: is not a folder; give the folder that holds the files$"):
            find(path)


def test_a_label_may_be_missing_where_it_is_not_required(tmp_path):
    image = write_nifti(tmp_path / "crossmoda2021_ldn_2_ceT1.nii.gz", scan())
    found = find_labelled(tmp_path, required=False)
    assert found.problems == []
    assert found.cases == [{"case": "crossmoda2021_ldn_2", "patient": "crossmoda2021_ldn_2", "image": str(image)}]


def test_a_bad_label_is_told_even_where_none_is_required(tmp_path):
    write_nifti(write_case(tmp_path)[1], structures()[:-1])
    found = find_labelled(tmp_path, required=False)
    assert found.cases == []
    assert "resample it to the grid of its image" in str(found.problems[0])


def test_labels_may_lie_in_a_folder_of_their_own(tmp_path):
    image = write_nifti(tmp_path / "images" / "crossmoda2021_ldn_106_hrT2.nii.gz", scan())
    _, label = write_case(tmp_path / "labels", "crossmoda2021_ldn_106")
    found = find_labelled(tmp_path / "images", tmp_path / "labels", suffixes=("hrT2",))
    case = "crossmoda2021_ldn_106"
    assert found.cases == [{"case": case, "patient": case, "image": str(image), "label": str(label)}]


def test_a_folder_with_a_dicom_series_is_one_case(tmp_path):
    write_series(tmp_path / "patient7", scan(), [0.0, 1.5, 3.0])
    series = str(tmp_path / "patient7")
    grid = read_volume(series).grid
    label = write_nifti(tmp_path / "contours.nii.gz", np.ones(grid.shape), grid.affine)
    assert find_images(series).cases == [{"case": "patient7", "image": series}]
    expected = {"case": "patient7", "patient": "patient7", "image": series, "label": str(label)}
    assert find_labelled(series, labels=label).cases == [expected]


def test_a_folder_with_two_dicom_series_is_a_problem(tmp_path):
    for _ in range(2):
        write_series(tmp_path, scan(), [0.0, 1.5, 3.0])
    found = find_images(tmp_path)
    assert found.cases == []
    with pytest.raises(InputErrors, match="holds 2 DICOM series; give every series a folder of its own"):
        found.raise_problems()


@pytest.mark.parametrize(
    ("path", "case"),
    [
        ("/d/crossmoda2021_ldn_7_ceT1.nii.gz", "crossmoda2021_ldn_7"),
        ("crossmoda2022_etz_105_hrT2.nii.gz", "crossmoda2022_etz_105"),
        ("crossmoda2023_ukm_3_T2.nii.gz", "crossmoda2023_ukm_3"),
        ("crossmoda2021_ldn_7_Label.nii.gz", "crossmoda2021_ldn_7"),
        ("/d/patient_7", "patient_7"),
        ("/d/ceT1", "ceT1"),
    ],
)
def test_the_case_of_a_file_is_its_name_without_what_it_shows(path, case):
    assert case_of(path) == case


@pytest.mark.parametrize(
    ("case", "site"),
    [
        ("crossmoda2021_ldn_7", "ldn"),
        ("crossmoda2022_etz_104", "etz"),
        ("crossmoda2023_ukm_3", "ukm"),
        ("crossmoda_107", "other"),
        ("bldng_9", "other"),
    ],
)
def test_the_site_is_a_part_of_the_cases_name(case, site):
    assert site_of(case) == site


def test_the_case_of_a_folder_above_is_its_own_name(tmp_path):
    (tmp_path / "p7" / "below").mkdir(parents=True)
    assert case_of(tmp_path / "p7" / "below" / "..") == "p7"


def test_results_are_named_by_case():
    assert name_by_case({"filename_or_obj": "/d/crossmoda2021_ldn_7_ceT1.nii.gz"}, None) == {
        "subject": "crossmoda2021_ldn_7.nii.gz",
        "idx": None,
    }


def test_a_second_image_of_a_case_is_told_and_not_done(tmp_path):
    for suffix in ("hrT2", "T2"):
        write_nifti(tmp_path / f"crossmoda2021_ldn_1_{suffix}.nii.gz", scan())
    found = find_images(tmp_path)
    assert len(found.cases) == 1
    assert "is the second image of crossmoda2021_ldn_1; keep one" in str(found.problems[0])


def test_a_second_label_of_a_case_is_told_and_the_other_cases_are_taken(tmp_path):
    for name in ("a", "b"):
        write_case(tmp_path, name)
    write_nifti(tmp_path / "a_Label.nii", three_classes())
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == ["b"]
    (problem,) = found.problems
    assert str(problem).endswith("is the second label of a; keep one")


def test_labels_of_other_structures_are_taken_where_the_configuration_names_them(tmp_path):
    _, label = write_case(tmp_path)
    write_nifti(label, three_classes())
    cases = find_labelled(tmp_path).cases
    assert problems_of(cases, THREE) == []
    told = str(problems_of(cases)[0])
    assert told == f"{label}: holds unknown label 3; use only [0, 1, 2]"


def test_structures_that_are_not_numbered_as_nnunet_wants_it_are_told_once(tmp_path):
    for name in ("a", "b"):
        write_case(tmp_path, name)
    cases = find_labelled(tmp_path).cases
    with pytest.raises(InputError, match=r"^structures: \{.*\} are not numbered 1, 2, 3, \.\.\.; leave no number out$"):
        problems_of(cases, Structures({"VS": 1, "cochlea": 3}))


def test_a_series_of_another_contrast_is_a_problem_where_one_contrast_is_wanted(tmp_path):
    write_series(tmp_path, scan(), [1.5 * k for k in range(6)], **MPRAGE)
    found = find_images(tmp_path)
    assert found.cases == []
    assert [str(problem) for problem in found.problems] == [
        f"{tmp_path}: is no hrT2 by its header (ScanningSequence GR\\IR, not without SE\\IR\\EP); "
        "give a series of hrT2; if you know that it is one, give it as a NIfTI file"
    ]
    assert len(find_images(tmp_path, suffixes=("ceT1",)).cases) == 1
    assert len(find_images(tmp_path, suffixes=("ceT1", "hrT2")).cases) == 1


def test_a_style_that_is_asked_for_is_that_one_and_not_one_whose_name_it_holds():
    cases = [{"case": "crossmoda2021_ldn_1"}]
    assert [case["style"] for case in with_styles(cases, ["ldn", "ldn_tse"], "ldn_tse")] == [1]
    with pytest.raises(InputError, match="style etz: is none that the translator knows; choose one of ldn, ldn_tse"):
        with_styles(cases, ["ldn", "ldn_tse"], "etz")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("b_label.nii.gz", "its name is outside the layout; call it CASE_Label.nii.gz"),
        ("b_Seg.nii.gz", "its name is outside the layout; call it CASE_Label.nii.gz"),
        ("b_CET1.nii", "its name is outside the layout; call it CASE_ceT1.nii.gz"),
        ("b_flair.nii.gz", "its name is outside the layout; call it CASE_ceT1.nii.gz"),
        ("b_ceT1.mha", "is no kind of image that is read here; store it as .nii.gz"),
        ("b_ceT1.NII.BZ2", "is no kind of image that is read here; store it as .nii.gz"),
        ("b_ceT1.hdr", "is no kind of image that is read here; store it as .nii.gz"),
        ("b_ceT1.nii.gz.part", "is no kind of image that is read here; store it as .nii.gz"),
        ("b_Label.nii.gz~", "is no kind of image that is read here; store it as .nii.gz"),
        ("b_ceT1.zip", "is no kind of image that is read here; store it as .nii.gz"),
    ],
)
def test_what_looks_like_an_image_and_is_not_taken_is_told(tmp_path, name, told):
    write_case(tmp_path, "a")
    (tmp_path / name).write_bytes(b"not looked into")
    (tmp_path / f".{name}").write_bytes(b"hidden")
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == ["a"]
    assert [str(problem) for problem in found.problems] == [f"{tmp_path / name}: {told}"]


def test_results_and_other_files_beside_the_scans_are_passed_over(tmp_path):
    write_case(tmp_path, "a")
    for name in ("a_Confidence.nii.gz", "a_Agreement.nii.gz", "a_ceT1.json", "notes.zip", "table.csv"):
        (tmp_path / name).write_bytes(b"not looked into")
    assert find_labelled(tmp_path).problems == []


def test_what_lies_below_and_is_called_as_a_scan_or_was_written_by_a_run_belongs_to_the_scans(tmp_path):
    """MONAI Label keeps the label of a study in labels/final, by the name of the study."""
    write_case(tmp_path, "a")
    write_nifti(tmp_path / "labels" / "final" / "a_ceT1.nii.gz", structures())
    with renewing(tmp_path / "out" / "b_ceT1.nii.gz") as temporary:
        write_nifti(temporary, scan())
    assert find_labelled(tmp_path).problems == []


@pytest.mark.parametrize(
    ("kind", "place"), [("files", "b"), ("files", "b/c"), ("files", "b/c/d"), ("series", "b/c"), ("series", "b/c/d")]
)
def test_scans_in_folders_below_are_told(tmp_path, kind, place):
    write_case(tmp_path, "a")
    write_case(tmp_path / "b", "a", "hrT2")  # of the other contrast
    if kind == "series":
        write_series(tmp_path / place, scan(), [0.0, 1.5, 3.0])
    else:
        write_case(tmp_path / place, "c")
    found = find_labelled(tmp_path)
    assert [case["case"] for case in found.cases] == ["a"]
    told = f"{tmp_path}/b: holds scans, which are not looked for below {tmp_path}; "
    assert [str(problem) for problem in found.problems] == [f"{told}give that folder, or put them beside the others"]


@pytest.mark.parametrize("suffix", ["Label", "Confidence", "Agreement"])
def test_results_are_no_images(tmp_path, suffix):
    write_case(tmp_path, "a", suffix)
    with pytest.raises(InputError, match=f"suffixes {suffix}: are those of results; give those of images"):
        find_images(tmp_path, ("hrT2", suffix))


def test_labels_in_folders_below_are_told_of_a_folder_of_labels(tmp_path):
    write_nifti(tmp_path / "a_Label.nii.gz", structures())
    write_nifti(tmp_path / "more" / "b_Label.nii.gz", structures())
    write_nifti(tmp_path / "final" / "a_Label.nii.gz", structures())
    write_series(tmp_path / "scan", scan(), [0.0, 1.5, 3.0])
    told = f"{tmp_path}/more: holds labels, which are not looked for below {tmp_path}; "
    assert [str(problem) for problem in LabelFiles(tmp_path).problems] == [
        f"{told}give that folder, or put them beside the others"
    ]


def test_a_folder_with_the_name_of_a_file_is_told(tmp_path):
    """Some programs unpack ``b_hrT2.nii.gz`` to a folder of that name."""
    write_case(tmp_path, "a", "hrT2")
    write_nifti(tmp_path / "b_hrT2.nii.gz" / "b.nii", scan())
    found = find_images(tmp_path)
    assert [case["case"] for case in found.cases] == ["a"]
    told = f"{tmp_path}/b_hrT2.nii.gz: is a folder with the name of a file; take the file out of it"
    assert [str(problem) for problem in found.problems] == [told]


def test_results_in_folders_below_are_passed_over(tmp_path):
    write_case(tmp_path, "a")
    write_case(tmp_path / "runs" / "pseudo", "a", "hrT2")
    write_case(tmp_path / "runs" / "raw" / "imagesTr", "a_tanq", "0000")
    assert find_labelled(tmp_path).problems == []


def test_a_series_in_a_folder_with_the_ending_of_a_file_is_one_case(tmp_path):
    write_series(tmp_path / "e_hrT2.nii.gz", scan(), [0.0, 1.5, 3.0])
    found = find_images(tmp_path)
    assert (found.cases, found.problems) == ([{"case": "e", "image": str(tmp_path / "e_hrT2.nii.gz")}], [])


def test_results_in_the_folder_of_a_series_do_not_stop_the_next_run(tmp_path):
    write_series(tmp_path, scan(), [0.0, 1.5, 3.0])
    read_volume(tmp_path).grid.save(np.ones((12, 10, 3), np.uint8), tmp_path / "p_Label.nii.gz")
    assert len(find_images(tmp_path).cases) == 1
    write_nifti(tmp_path / "mine_Label.nii.gz", structures())
    with pytest.raises(InputError, match="holds a DICOM series beside NIfTI files"):
        find_images(tmp_path)


def test_labels_with_other_names_in_a_folder_of_their_own_are_told(tmp_path):
    image = write_nifti(tmp_path / "images" / "a_ceT1.nii.gz", scan())
    path = write_nifti(tmp_path / "labels" / "a_label.nii.gz", structures())
    found = find_labelled(image.parent, path.parent, required=False)
    assert [str(problem) for problem in found.problems] == [
        f"{path}: its name is outside the layout; call it CASE_Label.nii.gz"
    ]


@pytest.mark.parametrize("ending", [".NII.GZ", ".Nii.gz", ".nii.GZ", ".Nii", ".NII"])
def test_endings_in_any_letters_are_read(tmp_path, ending):
    image, label = write_case(tmp_path, "a")
    for path in (image, label):
        if ending.lower() == ".nii":
            path.with_suffix("").with_suffix(ending).write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
        else:
            path.rename(path.with_suffix("").with_suffix(ending))
    found = find_labelled(tmp_path)
    assert ([case["case"] for case in found.cases], found.problems) == (["a"], [])
    assert problems_of(found.cases) == []
