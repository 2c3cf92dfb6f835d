"""`tanq-monai[runtime]`, the installation without torch, beside the full one: its size, and that it does the same.

`make test-runtime` runs it; .venv-runtime holds the package with that extra, and nothing else.
"""

import csv
import json
import re
import resource
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from typed import Done, mistakes, run_command

from tanq_monai import FULL_INSTALLATION
from tanq_monai.deploy.app.virtual_study import write_virtual_series
from tanq_monai.phantom import write_dataset
from tanq_monai.steps import BUNDLES

pytestmark = [pytest.mark.runtime, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
SMALL = ROOT / ".venv-runtime"
MAX_MB, MAX_START_SECONDS, MIN_DICE = 250, 1.5, 0.995
MODELS = BUNDLES / "vs_cochlea_seg" / "models"


def small(*words: object) -> Done:
    """``tanq-monai {words}`` of the small installation."""
    command = [str(SMALL / "bin" / "tanq-monai"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    assert (SMALL / "bin" / "tanq-monai").is_file(), "make .venv-runtime/ready makes it"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Virtual patients: one to translate, two to segment."""
    folder = tmp_path_factory.mktemp("phantom")
    write_dataset(folder, num_source=1, num_target=1, num_test=2, size="small", seed=1)
    return folder


@pytest.fixture(scope="module")
def scans(phantom, tmp_path_factory):
    """One as a file, the other as a DICOM series; and a file that is cut off."""
    folder = tmp_path_factory.mktemp("scans")
    one, other = sorted((phantom / "validation").glob("*_hrT2.nii.gz"))
    shutil.copy(one, folder / "a_hrT2.nii.gz")
    write_virtual_series(other, "CISS", folder / "series")
    (folder / "cut_hrT2.nii.gz").write_bytes(one.read_bytes()[:2000])
    return folder


@pytest.fixture(scope="module")
def both(scans, tmp_path_factory):
    """What both installations print, and their folders of results."""
    folder = tmp_path_factory.mktemp("labelled")
    words = ("segment", scans, "--json", "--threads", "1", "-o")
    return {
        name: (run(*words, folder / name), folder / name) for name, run in (("full", run_command), ("small", small))
    }


def told(both, name):
    done, folder = both[name]
    return json.loads(done.stdout.replace(str(folder), "OUT"))


def test_it_has_neither_torch_nor_monai_and_weighs_less_than_250_mb_with_the_package():
    files = [*SMALL.rglob("*"), *(ROOT / "tanq_monai").rglob("*.*"), *(ROOT / "bundles").glob("*/models/*.*")]
    megabytes = sum(path.lstat().st_size for path in files if not path.is_dir()) / 1e6
    names = {path.name for path in SMALL.glob("lib/python*/site-packages/*")}
    assert {"onnxruntime", "nibabel", "pydicom"} <= names
    assert not {"torch", "monai", "scipy", "pandas", "nnunetv2"} & names
    assert megabytes < MAX_MB


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("segment", "--help")])
def test_it_starts_within_a_second_and_a_half_of_a_processor(words):
    small(*words)  # which compiles what is imported
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert small(*words).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < MAX_START_SECONDS


def test_its_labels_are_those_of_the_full_installation_on_the_same_grids(both):
    for name in ("a_Label.nii.gz", "series_Label.nii.gz"):
        ours, theirs = (nib.load(both[which][1] / name) for which in ("small", "full"))
        np.testing.assert_array_equal(ours.affine, theirs.affine)
        assert ours.get_data_dtype() == theirs.get_data_dtype() == np.uint8
        for value in (1, 2):
            one, other = (np.asarray(image.dataobj) == value for image in (ours, theirs))
            assert other.any()
            # A Dice of .995, or two voxels: where both classes are as likely, rounding decides.
            assert np.count_nonzero(one != other) <= max(2, (1 - MIN_DICE) * (one.sum() + other.sum()))


def test_it_writes_the_same_files_with_the_same_tables_structure_sets_and_pages(both):
    ours, theirs = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for _, folder in both.values()
    )
    assert ours == theirs
    assert {Path("series_RTSTRUCT.dcm"), Path("segmentations.html"), Path("volumes.csv")} <= ours
    tables = []
    for _, folder in both.values():
        with (folder / "volumes.csv").open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    for one, other in zip(*tables, strict=True):
        for name in one:
            if name.endswith("_ml") or name.endswith("_mm"):
                assert float(one[name] or 0) == pytest.approx(float(other[name] or 0), rel=0.02, abs=0.5)
            elif name != "remarks":
                assert one[name] == other[name]
    sets = [pydicom.dcmread(folder / "series_RTSTRUCT.dcm") for _, folder in both.values()]
    (names, expected) = ([roi.ROIName for roi in one.StructureSetROISequence] for one in sets)
    assert names == expected
    assert "data:image" in (both["small"][1] / "segmentations.html").read_text()


def test_it_tells_machines_the_same_but_for_the_command(both):
    ours, theirs = told(both, "small"), told(both, "full")
    assert ours.keys() == theirs.keys()
    assert [one.keys() for one in ours["scans"]] == [one.keys() for one in theirs["scans"]]
    assert ours["problems"] == theirs["problems"] != []
    assert ours["passed_over"] == theirs["passed_over"]


def test_its_command_gives_the_same_label(both, scans, tmp_path):
    command = told(both, "small")["command"]
    assert command.startswith("python -m tanq_monai.deploy.runtime --model ")
    line = command.replace("SCAN", str(scans / "a_hrT2.nii.gz")).replace("LABEL", str(tmp_path / "a.nii.gz"))
    subprocess.run([SMALL / "bin" / "python", *line.split()[1:]], check=True, capture_output=True)
    one, other = (nib.load(path).dataobj for path in (tmp_path / "a.nii.gz", both["small"][1] / "a_Label.nii.gz"))
    np.testing.assert_array_equal(one, other)


def test_mistakes_are_told_in_the_same_lines(scans, tmp_path):
    (tmp_path / "models").mkdir()
    for words in (
        (tmp_path / "no.nii.gz",),
        (scans / "cut_hrT2.nii.gz",),
        (scans / "a_hrT2.nii.gz", "--threads", "0"),
        (scans / "a_hrT2.nii.gz", "--ensemble-dir", tmp_path / "models"),
        (scans / "a_hrT2.nii.gz", "--thread", "1"),
    ):
        ours, theirs = (run("segment", *words, "-o", tmp_path / "out") for run in (small, run_command))
        assert mistakes(ours) == mistakes(theirs) != []


def test_a_model_that_it_cannot_run_is_told_before_anything_is_written(scans, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(MODELS, model)
    words = ("segment", scans / "a_hrT2.nii.gz", "-o", tmp_path / "out", "--ensemble-dir")
    with (model / "model.pt").open("ab") as file:
        file.write(b"trained on")
    (line,) = mistakes(small(*words, model))
    assert re.match(r"error: .*model\.onnx: is of another model\.pt than the one beside it; export it again", line)
    (model / "model.onnx").unlink()
    (line,) = mistakes(small(*words, model))
    assert re.match(r"error: .*model\.onnx: is missing; export it with `python -m tanq_monai export-onnx`", line)
    (tmp_path / "ensemble.json").write_text('{"groups": [["model", "model"]], "postprocessing": []}')
    (line,) = mistakes(small(*words, tmp_path))
    assert "belongs to an ensemble, which an installation without torch does not run" in line
    assert line.endswith(FULL_INSTALLATION)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "{scan}", "--output-dir", "{out}", "--device", "cuda"),
        ("translate", "--dataset-dir", "{phantom}/training_source", "--output-dir", "{out}", "--style", "ldn"),
        ("adapt", "--dataset-dir", "{phantom}", "--output-dir", "{out}"),
        ("demo", "--output-dir", "{out}"),
        ("phantom", "--output-dir", "{out}"),
        ("phantom-check", "--output-dir", "{out}"),
        ("evaluate", "--pred", "{phantom}/validation", "--truth", "{phantom}/validation", "--output-dir", "{out}"),
        ("import-nnunet", "--results", "{phantom}", "--output-dir", "{out}"),
        ("export-onnx", "--bundle", str(MODELS.parent), "--output", "{out}/model.onnx"),
        ("cohort", "{scan}", "--output-dir", "{out}"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_that_needs_more_says_in_one_line_what_to_install(words, phantom, scans, tmp_path):
    places = {"phantom": phantom, "scan": scans / "a_hrT2.nii.gz", "out": tmp_path / "out"}
    (line,) = mistakes(small(*(word.format(**places) for word in words)))
    assert re.fullmatch(rf"error: [\w-]+: needs \w+, which is not installed; {re.escape(FULL_INSTALLATION)}", line)
    assert not (tmp_path / "out").exists()


def test_check_report_and_growth_work_as_well(both, scans, phantom, tmp_path):
    labels = both["small"][1]
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a_hrT2.nii.gz").symlink_to(scans / "a_hrT2.nii.gz")
    done = small("report", "--scans", tmp_path / "links", "--pred", labels, "--output", tmp_path / "page.html")
    assert (tmp_path / "page.html").is_file(), done
    assert small("check", "--dataset-dir", tmp_path / "links").returncode == 0
    (tmp_path / "dates.csv").write_text("case,date\na,2021-01-01\nseries,2022-01-01\n")
    files = [labels / f"{case}_Label.nii.gz" for case in ("a", "series")]
    done = small("growth", *files, "--dates", tmp_path / "dates.csv", "--output-dir", tmp_path / "growth")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "growth" / "growth.html").is_file()
