"""The work of looking through folders, counted in calls."""

import hashlib

import pytest
from files import scan, write_nifti
from work import calls_of

from tanq_monai.files import check_renewable
from tanq_monai.scans.contents import images_in


def results(folder, count, suffix):
    """Scans that an earlier run wrote, of which all are one file, and its record."""
    folder.mkdir(parents=True, exist_ok=True)
    one = write_nifti(folder.parent / "one.nii", scan())
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    names = [f"case_{number}_{suffix}.nii" for number in range(count)]
    for name in names:
        (folder / name).symlink_to(one)
    (folder / ".written.sha256").write_text("".join(f"{digest}  {name}\n" for name in names))
    return [folder / name for name in names]


def a_folder_of_each_patient_beside_the_scans(root, count):
    results(root, count, "hrT2")
    for number in range(count):
        (root / f"patient_{number}").mkdir()
    return lambda: images_in(root, ("hrT2",))


def results_in_a_folder_below(root, count):
    results(root, 1, "hrT2")
    results(root / "translated", count, "T2")
    return lambda: images_in(root, ("hrT2", "T2"))


def results_beside_a_series(root, count):
    results(root, count, "hrT2")
    (root / "1.dcm").write_bytes(b"\0" * 128 + b"DICM")
    return lambda: images_in(root, ("hrT2",))


def results_that_are_to_be_written_again(root, count):
    paths = results(root, count, "Label")
    return lambda: check_renewable(paths)


@pytest.mark.parametrize(
    "laid_out",
    [
        a_folder_of_each_patient_beside_the_scans,
        results_in_a_folder_below,
        results_beside_a_series,
        results_that_are_to_be_written_again,
    ],
)
def test_the_work_of_looking_through_a_folder_grows_as_its_files_do(tmp_path, laid_out):
    few, many = (calls_of(laid_out(tmp_path / str(count) / "scans", count)) for count in (100, 400))
    assert 3 * few < many < 5 * few  # names are sorted, which takes n log n; quadratic work takes 7 times and more
