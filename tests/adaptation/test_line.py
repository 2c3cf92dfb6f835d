"""What of an adaptation is run again when something of it has changed. Its commands are stood in for."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401 - asks a program of the system when it is first imported, which no fast test may
from files import structures, write_case, write_nifti

from tanq_monai import steps
from tanq_monai.adaptation import Adaptation, Scans, run_adaptation
from tanq_monai.adaptation.settings import SIZES
from tanq_monai.errors import InputError
from tanq_monai.structures import Structures

EVERY = [
    *("train_tanq", "train_cyclegan", "make_translated", "train_self_training"),
    *("segment", "segment_score", "report"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Scans in the layout of crossMoDA 2022, and true labels of those for testing."""
    write_case(tmp_path / "data" / "training_source")
    for folder, case in (("training_target", "b_2"), ("validation", "c_3")):
        _, label = write_case(tmp_path / "data" / folder, case, "hrT2")
        label.unlink()
    write_nifti(tmp_path / "truth" / "c_3_Label.nii.gz", structures())
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the steps that were run; each leaves a file, other than before, where it says that it writes."""
    names: list[str] = []

    def execute(step: steps.Step, _: object) -> int:
        names.append(step.name)
        for path in step.writes:
            file = path if path.suffix else path / "model.pt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x" * len(names))
        return 0

    monkeypatch.setattr(steps, "execute", execute)
    return names


def adapt(data: Path) -> None:
    run_adaptation(data / "data", data / "out", "tiny", truth_dir=data / "truth")


def test_all_is_run_once(data: Path, ran: list[str]) -> None:
    adapt(data)
    assert ran == EVERY
    adapt(data)
    assert ran == EVERY


def test_a_quick_adaptation_trains_no_translator_and_begins_with_the_shipped_weights(tmp_path: Path) -> None:
    scans = Scans(tmp_path / "source", tmp_path / "target")
    steps = {step.name: step.command for step in Adaptation(scans, tmp_path, SIZES["quick"]).steps()}
    assert list(steps) == ["virtual_patients", "train_self_training", "segment", "report"]
    assert "--paired 20" in steps["virtual_patients"]
    assert f"--dataset_dir {tmp_path}/virtual/paired" in steps["train_self_training"]
    assert steps["train_self_training"].count("bundles/vs_cochlea_seg/models") == 2


def test_only_an_adaptation_that_translates_needs_cet1(data: Path, ran: list[str]) -> None:
    shutil.rmtree(data / "data" / "training_source")
    run_adaptation(data / "data", data / "out")
    assert ran == ["virtual_patients", "train_self_training", "segment", "report"]
    with pytest.raises(InputError, match="give one with training_source and training_target or source_training and"):
        run_adaptation(data / "data", data / "other", "tiny")
    assert not (data / "other").exists()


CHANGES = {
    "a new scan to segment": ("data/validation/new_9_hrT2.nii.gz", ["segment", "segment_score", "report"]),
    "a corrected label": ("data/training_source/crossmoda2021_ldn_1_Label.nii.gz", EVERY),
    "another scan to train on": ("data/training_target/b_2_hrT2.nii.gz", EVERY),
    "another truth": ("truth/c_3_Label.nii.gz", ["segment_score", "report"]),
    "another translator": ("out/cyclegan/models/model.pt", EVERY[1:]),
    "another segmenter": ("out/self_training/models/model.pt", EVERY[3:]),
    "a label that somebody corrected": ("out/labels/model.pt", EVERY[4:]),
    "another report": ("out/segmentations.html", ["report"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_follows_from_a_change_is_run_again_and_nothing_else(data: Path, ran: list[str], change: str) -> None:
    adapt(data)
    ran.clear()
    name, again = CHANGES[change]
    (data / name).write_bytes(b"other")
    adapt(data)
    assert ran == again


THREE = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})


def test_classes_that_the_shipped_weights_do_not_have_are_refused_with_the_size_that_takes_them(
    data: Path, ran: list[str]
) -> None:
    with pytest.raises(InputError, match=r"--size quick: begins with weights of {'VS': 1, 'cochlea': 2}.*--size paper"):
        run_adaptation(data / "data", data / "out", structures=THREE)
    assert ran == []


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"structures": Structures({"VS": 2, "cochlea": 1})}, "has VS 2, cochlea 1"),
        ({"structures": Structures({"VS": 1, "cochlea": 3})}, "are not numbered 1, 2, 3"),
        ({"structures": Structures({"VS": 1, "nerve": 2})}, "'nerve' has no norm"),
        ({"truth_dir": "out"}, r"holds no \*_Label.nii.gz; give the folder with the true labels"),
    ],
)
def test_what_a_late_step_would_refuse_is_refused_before_the_first(
    data: Path, ran: list[str], choices: dict[str, Any], told: str
) -> None:
    (data / "out").mkdir()
    folders = {key: data / value for key, value in choices.items() if key == "truth_dir"}
    with pytest.raises(InputError, match=told):
        run_adaptation(data / "data", data / "out", "tiny", **choices | folders)
    assert ran == []
