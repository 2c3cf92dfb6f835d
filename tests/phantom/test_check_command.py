"""``phantom-check`` on virtual patients and on folders, as a user calls it."""

import gzip
import logging
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from files import NO_TEXT
from typed import Done, run_command

from tanq_monai.errors import InputError
from tanq_monai.phantom.check import Measurement, Report, check_folder, check_phantom
from tanq_monai.phantom.check import run as run_module
from tanq_monai.phantom.check.folder import find_scans

SPACING = (-1.0, -1.0, 1.5)


def run(*arguments: object) -> Done:
    return run_command("phantom-check", *arguments)


def write(path: Path, array: np.ndarray, spacing: tuple[float, ...] = SPACING, description: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag((*spacing, 1.0)))
    image.header["descrip"] = description.encode()
    nib.save(image, path)
    return path


def write_with_header(path: Path, offset: int, form: str, *values: float) -> None:
    """A scan in whose header other bytes stand at an offset."""
    data = bytearray(nib.Nifti1Image(np.ones((3, 3, 3), np.int16), np.diag((*SPACING, 1.0))).to_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(gzip.compress(bytes(data)))


def head(background: int) -> tuple[np.ndarray, np.ndarray]:
    """A scan with the same intensity everywhere but in the cochleae and a tumor, and its label, all boxes."""
    place = np.moveaxis(np.indices((160, 120, 40)), 0, -1) * np.abs(SPACING)
    label = np.zeros(place.shape[:3], np.uint8)
    for value, center in ((2, (45, 40, 30)), (2, (115, 40, 30)), (1, (57, 48, 33))):
        label[np.all(np.abs(place - center) <= 3 + 3 * (value == 1), axis=-1)] = value
    return np.where(label > 0, 100, background).astype(np.int16), label


def some(*shape: int) -> np.ndarray:
    """A scan that shows something."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def table_lines(text: str, word: str) -> list[str]:
    """Lines of the tables whose verdict is the word."""
    return [line for line in text.splitlines() if re.search(rf"\| {word} +\|$", line)]


@pytest.fixture(scope="module")
def of_seed_3() -> Report:
    """The report on one patient."""
    return check_phantom(1, seed=3, size="tiny", workers=1)


def test_virtual_patients_are_measured_in_both_contrasts_and_the_workers_do_not_matter(of_seed_3: Report) -> None:
    two = check_phantom(2, seed=2, size="tiny", workers=2)
    assert [(m.name, m.contrast) for m in two.measurements] == [
        ("patient 2", "ceT1"),
        ("patient 2", "hrT2"),
        ("patient 3", "ceT1"),
        ("patient 3", "hrT2"),
    ]
    assert repr(of_seed_3.measurements) == repr(two.measurements[2:])


def test_voxels_too_coarse_for_a_cochlea_end_in_a_line_for_each_failure_and_exit_code_1(
    tmp_path: Path, of_seed_3: Report
) -> None:
    result = run("--num-patients", 1, "--seed", 3, "--size", "tiny", "--output-dir", tmp_path / "out")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    told = [line for line in result.stderr.splitlines() if line.startswith("not as published: ")]
    assert told == [f"not as published: {line}" for line in of_seed_3.failures]
    sizes = [line for line in told if re.search(r": (in plane|between slices) \S+, published", line)]
    assert len(sizes) == 4  # of both contrasts
    failed = [row for rows in of_seed_3.sections for row in rows if row.failures]
    assert [line.split("|")[2].split(",")[0].strip() for line in table_lines(result.stdout, "FAILS")[-4:]] == [
        "in plane",
        "between slices",
    ] * 2
    assert len(table_lines(result.stdout, "FAILS")) == len(failed)
    assert (tmp_path / "out" / "phantom_check.md").read_text(encoding="utf-8") == result.stdout
    assert len((tmp_path / "out" / "phantom_check.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_a_folder_is_described_with_exit_code_0(tiny_phantom: Path) -> None:
    result = run("--folder", tiny_phantom)
    assert result.returncode == 0, result.stderr
    assert "10 scans of" in result.stdout
    assert "FAILS" not in result.stdout
    assert table_lines(result.stdout, "differs")  # such coarse voxels
    for sequence in ("3D FLASH", "3D FFE", "3D TSE"):
        assert re.search(rf"\| {sequence} +\| VS / brain +\| [\d.]+ +\|", result.stdout)
    for group in ("ldn ceT1", "ldn hrT2", "etz ceT1", "etz hrT2"):
        assert re.search(rf"\| {group} \| in plane, mm +\| [\d. /]+ +\|", result.stdout)
    assert "London hrT2" not in result.stdout  # virtual scans say which of the two they are


def test_labels_are_found_beside_a_scan_and_among_the_withheld_ones(tiny_phantom: Path) -> None:
    scans = find_scans(tiny_phantom)
    assert len(scans) == 10
    for scan in scans:
        (label,) = scan.labels
        assert ("withheld_labels" in label.parts) == (scan.contrast == "hrT2")


def test_scans_without_labels_give_voxel_sizes_and_heights(tmp_path: Path) -> None:
    write(tmp_path / "training_target" / "crossmoda2023_ukm_4_T2.nii.gz", some(8, 8, 50))
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
        write(tmp_path / f"{name}.nii.gz", some(4, 4, 4) % (3 if name.endswith("Label") else 64))
    found = {scan.image.name: (scan.contrast, scan.read().group) for scan in find_scans(tmp_path)}
    assert found == {
        "crossmoda_1_ceT1.nii.gz": ("ceT1", "ldn ceT1"),
        "crossmoda_106_hrT2.nii.gz": ("hrT2", "ldn hrT2"),
        "crossmoda2023_etz_7_T2.nii.gz": ("hrT2", "etz hrT2"),
        "mine_hrT2.nii.gz": ("hrT2", "hrT2"),
    }


def test_a_second_scan_or_label_of_a_case_is_told(tmp_path: Path) -> None:
    for name in ("a_hrT2.nii", "a_T2.nii.gz", "b_ceT1.nii.gz"):
        write(tmp_path / name, some(4, 4, 4))
    for name in ("b_Label.nii", "b_Label.nii.gz"):
        write(tmp_path / name, np.zeros((4, 4, 4)))
    result = run("--folder", tmp_path)
    assert result.returncode == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {tmp_path}/a_hrT2.nii: is the second hrT2 of a; keep one",
        f"error: {tmp_path}/b_Label.nii: is the second label of b; keep one",
    ]


def test_unreadable_files_are_told_in_one_line_each_after_the_others_table(
    tmp_path: Path, tiny_phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # nibabel logs to a stream that another test may have closed
    case = "crossmoda2021_ldn_1"
    for kind in ("ceT1", "Label"):
        shutil.copy(tiny_phantom / "training_source" / f"{case}_{kind}.nii.gz", tmp_path)
    whole = (tmp_path / f"{case}_ceT1.nii.gz").read_bytes()
    (tmp_path / "cut_ceT1.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text_ceT1.nii.gz").write_text("no scan")
    write(tmp_path / "four_ceT1.nii.gz", some(3, 3, 3, 2))
    write(tmp_path / "odd_ceT1.nii.gz", some(3, 3, 3))
    write(tmp_path / "odd_Label.nii.gz", np.full((3, 3, 3), 1.5))
    write(tmp_path / "small_ceT1.nii.gz", some(3, 3, 3))
    write(tmp_path / "small_Label.nii.gz", np.zeros((2, 3, 3)))
    write(tmp_path / "away_ceT1.nii.gz", some(3, 3, 3))
    write(tmp_path / "away_Label.nii.gz", np.zeros((3, 3, 3)), spacing=(-1.0, -1.0, 1.7))
    write(tmp_path / "color_ceT1.nii.gz", np.zeros((3, 3, 3), [(color, "u1") for color in "RGB"]))
    write(tmp_path / "nan_ceT1.nii.gz", np.full((3, 3, 3), np.nan, np.float32))
    write_with_header(tmp_path / "type_ceT1.nii.gz", 70, "<h", 7777)
    write_with_header(tmp_path / "flat_ceT1.nii.gz", 280, "<4f", 0, 0, 0, 0)
    write_with_header(tmp_path / "lost_ceT1.nii.gz", 292, "<f", np.inf)
    result = run("--folder", tmp_path)
    assert result.returncode == 1
    assert re.search(r"\| cochlea volume .* of 2 ", result.stdout)
    assert "1 scans of" in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    expected = {
        "away_Label": "lies up to 0.40 mm beside its scan",
        "color_ceT1": "has 3 channels of colour",
        "cut_ceT1": "cannot be read",
        "flat_ceT1": "has voxels of",
        "four_ceT1": r"has 4 dimensions \(3, 3, 3, 2\); give one 3D volume per file",
        "lost_ceT1": "has an affine with NaN or infinite numbers",
        "nan_ceT1": "has 27 NaN or infinite voxels",
        "odd_Label": "holds NaN or fractions",
        "small_Label": r"has shape \(2, 3, 3\)",
        "text_ceT1": "cannot be read",
        "type_ceT1": r"cannot be read as NIfTI \(data code 7777 not recognized\)",
    }
    assert len(told) == len(expected)
    for line, (name, problem) in zip(told, expected.items(), strict=True):
        assert re.match(rf"error: \S+/{name}\.nii\.gz: {problem}", line), line
    assert "Traceback" not in result.stderr


def test_a_scan_whose_name_is_no_text_is_measured(tmp_path: Path, tiny_phantom: Path) -> None:
    scan = tiny_phantom / "training_source" / "crossmoda2021_ldn_1_ceT1.nii.gz"
    shutil.copy(scan, tmp_path / f"{NO_TEXT}_ceT1.nii.gz")
    assert run("--folder", tmp_path, "--output_dir", tmp_path / "out").returncode == 0
    assert os.fsencode(NO_TEXT) in (tmp_path / "out" / "phantom_check.csv").read_bytes()


def test_what_is_not_measured_is_told(tmp_path: Path, tiny_phantom: Path) -> None:
    case = "crossmoda2021_ldn_1"
    shutil.copy(tiny_phantom / "training_source" / f"{case}_ceT1.nii.gz", tmp_path)
    shutil.copy(tiny_phantom / "training_source" / f"{case}_Label.nii.gz", tmp_path / f"{case}_label.nii.gz")
    (tmp_path / "b_hrT2.nrrd").write_bytes(b"not looked into")
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(bytes(128) + b"DICM")
    result = run("--folder", tmp_path)
    assert "1 scans of" in result.stdout
    assert [line.partition(";")[0] for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {tmp_path}/b_hrT2.nrrd: is no kind of image that is read here",
        f"error: {tmp_path}/{case}_label.nii.gz: its name is outside the layout",
        f"error: {tmp_path}/series: holds DICOM, not measured",
    ]


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


@pytest.mark.parametrize("background", [0, 50])
def test_a_scan_with_one_intensity_behind_the_pons_has_no_csf(tmp_path: Path, background: int) -> None:
    image, label = head(background)
    write(tmp_path / "one_ceT1.nii.gz", image)
    write(tmp_path / "one_Label.nii.gz", label)
    report = check_folder(tmp_path)
    (found,) = report.measurements
    assert not report.unreadable
    assert np.isnan(found.figures["CSF / brain"])
    assert found.figures["VS / brain"] == pytest.approx(2 if background else np.nan, nan_ok=True)
    assert found.figures["cochleae apart"] == 70


def test_a_label_within_a_thousandth_of_its_scans_place_is_taken(tmp_path: Path) -> None:
    image, label = head(50)
    write(tmp_path / "one_ceT1.nii.gz", image)
    write(tmp_path / "one_Label.nii.gz", label, spacing=(-1.0, -1.0, 1.5005))
    assert not check_folder(tmp_path).unreadable


def test_files_of_one_name_in_several_folders_are_several_patients(tmp_path: Path) -> None:
    image, label = head(50)
    for i in range(5):
        write(tmp_path / f"p{i}" / "scan_ceT1.nii.gz", image)
        write(tmp_path / f"p{i}" / "scan_Label.nii.gz", label)
    report = check_folder(tmp_path)
    assert [m.name for m in report.measurements] == [f"p{i}/scan" for i in range(5)]
    assert "of 5 tumors, 100%." in report.markdown()
    assert {row.figure: len(row.values) for row in report.sections[0]}["VS volume"] == 5


def test_both_contrasts_of_a_patient_are_one_patient(paired_phantom: Path) -> None:
    report = check_folder(paired_phantom)
    assert [(m.name, m.contrast) for m in report.measurements] == [
        ("paired/crossmoda2021_ldn_301", "ceT1"),
        ("paired/crossmoda2021_ldn_301", "hrT2"),
        ("paired/crossmoda2022_etz_300", "ceT1"),
        ("paired/crossmoda2022_etz_300", "hrT2"),
    ]
    labels = [np.asarray(nib.load(path).dataobj) for path in paired_phantom.rglob("*_Label.nii.gz")]
    tumors = sum(1 in label for label in labels)  # a few virtual patients have none
    rows = {row.figure: len(row.values) for row in report.sections[0]}
    assert (rows["VS volume"], rows["cochlea volume"], rows["cochleae apart"]) == (tumors, 4, 2)
    assert len({m.name for m in report.measurements if m.side}) == tumors


@pytest.mark.parametrize(
    ("name", "description", "sequence"),
    [
        ("crossmoda2021_ldn_1_ceT1", "", "3D FLASH"),
        ("crossmoda_1_ceT1", "", "3D FLASH"),
        ("crossmoda2021_ldn_1_ceT1", "virtual patient; MPRAGE; TR=1900; TE=2.97; TI=1100; FA=15", "MPRAGE"),
        ("crossmoda2022_etz_1_ceT1", "", "3D FFE"),
        ("crossmoda2022_etz_1_hrT2", "", "3D TSE"),
        ("crossmoda2021_ldn_9_hrT2", "", "London hrT2"),
        ("crossmoda2021_ldn_9_hrT2", "TE=4.4;Time=123456", "London hrT2"),
        ("crossmoda2021_ldn_9_hrT2", "virtual patient; CISS; TR=9.95; TE=4.43; FA=70", "CISS"),
        ("crossmoda2021_ldn_9_hrT2", "virtual patient; 3D TSE restore; TR=750; TE=121; FA=90", "3D TSE restore"),
        ("mine_hrT2", "virtual patient; CISS; TR=9.95; TE=4.43; FA=70", "CISS"),
        ("crossmoda2023_ukm_1_T2", "", "ukm hrT2"),
        ("mine_hrT2", "", "hrT2"),
    ],
)
def test_the_sequence_is_that_of_the_header_or_of_the_site(
    tmp_path: Path, name: str, description: str, sequence: str
) -> None:
    write(tmp_path / f"{name}.nii.gz", some(4, 4, 4), description=description)
    (scan,) = find_scans(tmp_path)
    assert scan.read().sequence == sequence


def test_an_error_in_one_patient_surfaces_and_no_further_one_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def fail(seed: int, size: str) -> list[Measurement]:
        begun.append(seed)
        time.sleep(0.01)
        if seed == 6:
            raise RuntimeError(f"no patient {seed}")
        return []

    monkeypatch.setattr(run_module, "measure_patient", fail)
    with pytest.raises(RuntimeError, match="no patient 6"):
        check_phantom(1000, seed=5, size="tiny", workers=1)
    assert len(begun) < 500


@pytest.mark.slow
def test_ctrl_c_stops_at_once_and_leaves_no_traceback() -> None:
    # A process that was started in the background may ignore the signal.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import tanq_monai.__main__"
    options = ["phantom-check", "--size", "tiny", "--num-patients", "1000"]
    told = b""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, *options], **pipes) as process:
        assert process.stderr is not None
        while not re.search(rb"[1-9]\d*/1000", told):
            more = os.read(process.stderr.fileno(), 4096)
            assert more, told
            told += more
        process.send_signal(signal.SIGINT)
        printed, rest = process.communicate(timeout=60)
    told += rest
    assert process.returncode == 130
    assert told.endswith(b"stopped\n")
    assert b"Traceback" not in told
    assert max(map(int, re.findall(rb"(\d+)/1000", told))) < 500
    assert printed == b""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to")
def test_a_folder_that_takes_no_files_is_refused_before_anything_is_measured() -> None:
    result = run("--num-patients", 100_000, "--output-dir", "/proc")
    assert result.returncode == 1
    assert re.fullmatch(r"error: /proc: is not writable \(.+\); choose another output folder\n", result.stderr)
    assert result.stdout == ""


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no scan named"):
        check_folder(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        check_folder(tmp_path / "absent")
