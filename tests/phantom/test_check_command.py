"""``phantom-check`` on virtual patients and on folders, as a user calls it."""

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.errors import InputError
from tanq_monai.phantom.check import check_folder, check_phantom
from tanq_monai.phantom.check.folder import find_scans


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tanq_monai", "phantom-check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag((-1.0, -1.0, 1.5, 1.0))), path)
    return path


def test_virtual_patients_are_measured_in_both_contrasts_and_the_workers_do_not_matter() -> None:
    one, two = (check_phantom(2, seed=1, size="tiny", workers=n) for n in (1, 2))
    assert repr(one.measurements) == repr(two.measurements)
    assert [(m.name, m.contrast) for m in one.measurements] == [
        ("patient 1", "ceT1"),
        ("patient 1", "hrT2"),
        ("patient 2", "ceT1"),
        ("patient 2", "hrT2"),
    ]
    again = check_phantom(1, seed=2, size="tiny", workers=1)
    assert repr(again.measurements) == repr(one.measurements[2:])


def test_voxels_too_coarse_for_a_cochlea_end_in_a_line_for_each_failure_and_exit_code_1(tmp_path: Path) -> None:
    result = run("--num-patients", 1, "--seed", 3, "--size", "tiny", "--output-dir", tmp_path / "out")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "| VS volume " in result.stdout or "| cochlea volume " in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("not as published: patient 3, ")]
    assert told
    assert result.stdout.count("FAILS") <= len(told)
    assert (tmp_path / "out" / "phantom_check.md").read_text() == result.stdout
    assert len((tmp_path / "out" / "phantom_check.csv").read_text().splitlines()) == 3


def test_a_folder_is_described_with_exit_code_0(tiny_phantom: Path) -> None:
    result = run("--folder", tiny_phantom)
    assert result.returncode == 0, result.stderr
    assert "10 scans of" in result.stdout
    assert "FAILS" not in result.stdout
    for group in ("ldn ceT1", "ldn hrT2", "etz ceT1", "etz hrT2"):
        assert f"| {group} | VS / brain " in result.stdout


def test_labels_are_found_beside_a_scan_and_among_the_withheld_ones(tiny_phantom: Path) -> None:
    scans = find_scans(tiny_phantom)
    assert len(scans) == 10
    for scan in scans:
        assert scan.label is not None
        assert ("withheld_labels" in scan.label.parts) == (scan.contrast == "hrT2")


def test_scans_without_labels_give_voxel_sizes_and_heights(tmp_path: Path) -> None:
    write(tmp_path / "training_target" / "crossmoda2023_ukm_4_T2.nii.gz", np.ones((8, 8, 50), np.int16))
    report = check_folder(tmp_path)
    assert {name for name in report.measurements[0].figures} == {
        "in plane",
        "in plane, larger",
        "between slices",
        "height",
    }
    assert "| ukm hrT2 | height, mm         | 60 / 120      | 75 (75, 75) " in report.markdown()


def test_names_of_2021_and_2023_are_understood(tmp_path: Path) -> None:
    for name in (
        "crossmoda_1_ceT1",
        "crossmoda_106_hrT2",
        "crossmoda2023_etz_7_T2",
        "crossmoda_1_Label",
        "mine_hrT2",
        "other_FLAIR",
    ):
        write(tmp_path / f"{name}.nii.gz", np.zeros((4, 4, 4), np.int16))
    found = {scan.image.name: (scan.contrast, scan.read().group) for scan in find_scans(tmp_path)}
    assert found == {
        "crossmoda_1_ceT1.nii.gz": ("ceT1", "ldn ceT1"),
        "crossmoda_106_hrT2.nii.gz": ("hrT2", "ldn hrT2"),
        "crossmoda2023_etz_7_T2.nii.gz": ("hrT2", "etz hrT2"),
        "mine_hrT2.nii.gz": ("hrT2", "hrT2"),
    }


def test_unreadable_files_are_told_in_one_line_each_after_the_others_table(tmp_path: Path, tiny_phantom: Path) -> None:
    case = "crossmoda2021_ldn_1"
    for kind in ("ceT1", "Label"):
        shutil.copy(tiny_phantom / "training_source" / f"{case}_{kind}.nii.gz", tmp_path)
    whole = (tmp_path / f"{case}_ceT1.nii.gz").read_bytes()
    (tmp_path / "cut_ceT1.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text_ceT1.nii.gz").write_text("no scan")
    write(tmp_path / "four_ceT1.nii.gz", np.zeros((3, 3, 3, 2), np.int16))
    write(tmp_path / "odd_ceT1.nii.gz", np.zeros((3, 3, 3), np.int16))
    write(tmp_path / "odd_Label.nii.gz", np.full((3, 3, 3), 1.5))
    write(tmp_path / "small_ceT1.nii.gz", np.zeros((3, 3, 3), np.int16))
    write(tmp_path / "small_Label.nii.gz", np.zeros((2, 3, 3)))
    result = run("--folder", tmp_path)
    assert result.returncode == 1
    assert "| VS volume " in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [Path(line.split(": ")[1]).name for line in told] == [
        "cut_ceT1.nii.gz",
        "four_ceT1.nii.gz",
        "odd_Label.nii.gz",
        "small_Label.nii.gz",
        "text_ceT1.nii.gz",
    ]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"num_patients": 0}, "num_patients: is 0; give 1 or more"),
        ({"seed": -1}, "seed: is -1; give 0 or more"),
        ({"size": "huge"}, "size: 'huge' is unknown; choose one of tiny"),
        ({"workers": 0}, "workers: is 0; give 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_phantom(**{"num_patients": 1, "seed": 0, "size": "tiny", **arguments})  # type: ignore[arg-type]


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no scan named"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        check_folder(tmp_path / "absent")
