import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.phantom import Case, CaseScans, scan_case, write_dataset
from tanq_monai.phantom.dataset import folder as folder_module
from tanq_monai.phantom.scanner.sequences import LONDON_MPRAGE


def checksums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("[!.]*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_folder_has_the_layout_of_crossmoda_2022(tiny_phantom: Path) -> None:
    ldn, etz = "crossmoda2021_ldn_", "crossmoda2022_etz_"
    source = [f"training_source/{c}_{k}.nii.gz" for c in (f"{ldn}1", f"{ldn}2", f"{etz}0", f"{etz}1")
              for k in ("ceT1", "Label")]  # fmt: skip
    target = [f"{ldn}106", f"{ldn}107", f"{etz}105", f"{etz}106"]
    test = [f"{ldn}211", f"{etz}210"]
    expected = source
    for folder, cases in (("training_target", target), ("validation", test)):
        expected += [f"{folder}/{c}_hrT2.nii.gz" for c in cases]
        expected += [f"withheld_labels/{folder}/{c}_Label.nii.gz" for c in cases]
    expected += ["infos_source_training.csv", "withheld_labels/patients.csv"]
    assert set(checksums(tiny_phantom)) == set(expected)


def test_target_folders_hold_no_labels(tiny_phantom: Path) -> None:
    for folder in ("training_target", "validation"):
        assert not list((tiny_phantom / folder).glob("*Label*"))


def test_labels_are_float64_on_the_grid_of_their_image_with_both_structures(tiny_phantom: Path) -> None:
    values = set()
    for path in sorted(tiny_phantom.rglob("*_Label.nii.gz")):
        folder = tiny_phantom / path.relative_to(tiny_phantom / "withheld_labels").parent if (
            "withheld_labels" in path.parts) else path.parent  # fmt: skip
        (image_path,) = folder.glob(path.name.replace("_Label.nii.gz", "_[ch]*T*.nii.gz"))
        label, image = nib.load(path), nib.load(image_path)
        assert label.get_data_dtype() == np.float64
        assert image.get_data_dtype() in (np.int16, np.uint16)
        assert label.shape == image.shape
        np.testing.assert_array_equal(label.affine, image.affine)
        values |= set(np.unique(label.dataobj))
        assert 2 in np.asarray(label.dataobj)
    assert values == {0, 1, 2}


def test_affines_are_lps_and_slightly_oblique(tiny_phantom: Path) -> None:
    affines = [nib.load(path).affine for path in tiny_phantom.rglob("*T?.nii.gz")]
    for affine in affines:
        assert nib.aff2axcodes(affine) == ("L", "P", "S")
        cosines = np.diag(affine)[:3] / np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_array_less(np.cos(np.radians(6)), cosines * (-1, -1, 1))
    assert len({affine.tobytes() for affine in affines}) == len(affines)


def test_the_same_seed_gives_the_same_bytes_however_many_cases_and_workers_there_are(
    tmp_path: Path, tiny_phantom: Path
) -> None:
    write_dataset(tmp_path, num_source=1, num_target=1, num_test=1, size="tiny", seed=0, workers=1)
    few, many = checksums(tmp_path), checksums(tiny_phantom)
    tables = {"infos_source_training.csv", "withheld_labels/patients.csv"}
    scans = few.keys() - tables
    assert len(scans) == 6
    assert {name: few[name] for name in scans} == {name: many[name] for name in scans}
    for table in tables:
        assert set((tmp_path / table).read_text().splitlines()) < set((tiny_phantom / table).read_text().splitlines())


def test_another_seed_gives_other_patients_and_replaces_the_files(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_source=1, num_target=0, num_test=0, size="tiny", seed=0)
    before = checksums(tmp_path)
    write_dataset(tmp_path, num_source=1, num_target=0, num_test=0, size="tiny", seed=1)
    after = checksums(tmp_path)
    assert before.keys() == after.keys()
    same = {name for name in before if before[name] == after[name]}
    assert not {name for name in same if name.endswith(".nii.gz")}


def test_an_error_in_one_case_surfaces_and_no_further_case_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def fail(case: Case, *choices: Any) -> CaseScans:
        begun.append(case)
        if case.index == 1:
            raise RuntimeError(f"no scan of {case.name}")
        return scan_case(case, *choices)

    monkeypatch.setattr(folder_module, "scan_case", fail)
    with pytest.raises(RuntimeError, match="no scan of crossmoda2022_etz_0"):
        write_dataset(tmp_path, 12, 0, 0, size="tiny", seed=0, workers=1)
    assert len(begun) < 5
    assert not list(tmp_path.rglob("*.csv"))
    assert not list(tmp_path.rglob("*.writing*"))


@pytest.mark.slow
def test_ctrl_c_leaves_whole_files_and_no_traceback(tmp_path: Path) -> None:
    # A process that was started in the background may ignore the signal.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import tanq_monai.__main__"
    options = ["phantom", "--output-dir", str(tmp_path), "--num-source", "1000"]
    with subprocess.Popen([sys.executable, "-c", program, *options], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list(tmp_path.glob("training_source/*_Label.nii.gz")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.endswith("stopped\n")
    assert "Traceback" not in told
    files = list(tmp_path.rglob("[!.]*.*"))
    assert 2 <= len(files) < 500
    for path in files:
        np.asanyarray(nib.load(path).dataobj)  # raises where something is missing


def test_headers_name_the_sequence_and_say_that_the_patient_is_virtual(tiny_phantom: Path) -> None:
    image, label = (
        nib.load(path).header["descrip"].item().decode()
        for path in (
            tiny_phantom / "training_target/crossmoda2021_ldn_106_hrT2.nii.gz",
            tiny_phantom / "withheld_labels/training_target/crossmoda2021_ldn_106_Label.nii.gz",
        )
    )
    assert image in (
        "virtual patient; CISS; TR=9.95; TE=4.43; FA=70",
        "virtual patient; 3D TSE restore; TR=750; TE=121; FA=90",
    )
    assert label == "virtual patient; 0 other, 1 VS, 2 cochlea"


def test_the_header_of_an_inversion_recovery_has_its_inversion_time() -> None:
    assert folder_module._description(LONDON_MPRAGE) == "virtual patient; MPRAGE; TR=1900; TE=2.97; TI=1100; FA=15"


@pytest.mark.parametrize("numbers", [(-1, 0, 0, 0), (0, -1, 0, 0), (0, 0, -2, 0), (0, 0, 0, -1)])
def test_a_negative_number_of_patients_is_refused(tmp_path: Path, numbers: tuple[int, int, int, int]) -> None:
    *unpaired, paired = numbers
    with pytest.raises(InputError, match="give 0 or more patients"):
        write_dataset(tmp_path, *unpaired, size="tiny", seed=0, num_paired=paired)


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'huge' is unknown; choose one of tiny, small, crop, full"):
        write_dataset(tmp_path, 1, 1, 1, size="huge", seed=0)


def test_a_folder_with_scans_of_a_larger_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training_source").mkdir()
    (tmp_path / "training_source" / "crossmoda2021_ldn_9_ceT1.nii.gz").touch()
    with pytest.raises(InputError, match=r"ldn_9_ceT1.nii.gz: is of another data set; give an empty folder"):
        write_dataset(tmp_path, 1, 0, 0, size="tiny", seed=0)
    assert len(list(tmp_path.rglob("*"))) == 2


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="taken: is a file; give the name of a folder"):
        write_dataset(tmp_path / "taken", 1, 0, 0, size="tiny", seed=0)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_dataset(tmp_path / "taken" / "below", 1, 0, 0, size="tiny", seed=0)


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers: is 0; give 1 or more"):
        write_dataset(tmp_path, 1, 0, 0, size="tiny", seed=0, workers=0)


def test_scans_and_tables_of_the_same_names_that_are_no_virtual_ones_stay(tmp_path: Path) -> None:
    for name in ("training_source/crossmoda2021_ldn_1_ceT1.nii.gz", "infos_source_training.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("real")
    with pytest.raises(InputErrors) as error:
        write_dataset(tmp_path, 1, 0, 0, size="tiny", seed=0)
    assert len(str(error.value).splitlines()) == 2
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_text() for path in files] == ["real", "real"]
