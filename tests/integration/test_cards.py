"""Every command in the model cards, run as it stands in a copy of its bundle, with options that make it short."""

import re
import shlex
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bundle_workflow import BUNDLES
from typed import StepsHere, options, run_module, run_script

# nnU-Net's find_best_configuration leaves the file of its instructions open.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*inference_instructions.txt"),
]
STEPS = {"max_epochs": 1, "iterations_per_epoch": 1, "batch_size": 2, "num_processes": 0, "device": "cpu"}
NARROW = {"features_per_stage": [4, 8, 8]}
TRAINING = STEPS | {"plans_override": {"patch_size": [20, 88, 88]} | NARROW}
SLICES = STEPS | {"plans_override": {"patch_size": [88, 88]} | NARROW}
FOLDS = range(5)
TRANSLATOR = {"pixels": 48, "pixel_mm": 1.8, "width": 4, "blocks": 2, "crop": 32, "slab_mm": 12.0}
CPU = {"device": "$torch.device('cpu')"}
SHORT = {
    "vs_cochlea_seg": {
        "train": TRAINING,
        "inference": CPU,
        "find_best": {"num_processes": 0, "configurations": ["2d"]},
        "ensemble": CPU,
        "self_training": {
            "training": SLICES,
            "configurations": {"2d": {}},
            "folds": ["all"],
            "rounds": 0,
            "refinement": {"refine": False},
        },
        "evaluate": {},
    },
    "tanq_translation": {
        "train": TRANSLATOR | CPU | {"start_from": None, "max_epochs": 1, "batch_size": 4},
        "inference": CPU,
    },
}


class Card:
    """The commands of a card, and a copy of its bundle, in which they are typed."""

    def __init__(self, bundle: str, folder: Path) -> None:
        self.short, self.folder, self.done = SHORT[bundle], folder, []
        shutil.copytree(BUNDLES / bundle, folder)
        text = (folder / "docs" / "README.md").read_text()
        blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        self.commands = [line for line in lines if not line.startswith(("{", "--"))]  # a file's content, an option
        self.options = [shlex.split(line) for line in lines if line.startswith("--")]

    def run(self, config: str, **choices: object) -> None:
        """Type the next command, which is a run of ``config``, with what makes it short."""
        command = self.commands[len(self.done)]
        self.done.append(command)
        self.repeat(config, **choices)

    def repeat(self, config: str, **choices: object) -> None:
        """Type the last command with other choices."""
        python, dash_m, module, *words = shlex.split(self.done[-1])
        assert (python, dash_m, words[words.index("--config_file") + 1]) == ("python", "-m", f"configs/{config}.yaml")
        done = run_module(module, [*words, *options(self.short[config] | choices)], self.folder)
        assert done.returncode == 0, done.stderr

    def run_program(self, program: str, *more: str) -> None:
        """Type the next command, which is another program's."""
        command = self.commands[len(self.done)]
        self.done.append(command)
        assert program in command.split()
        done = run_script(f"{command} {shlex.join(more)}", self.folder)
        assert done.returncode == 0, done.stderr


def files(folder: Path) -> list[str]:
    """What is there besides ``provenance.json``, which every run leaves."""
    return sorted(path.name for path in folder.glob("[!.]*") if path.name != "provenance.json")


def copied(paths, folder: Path) -> Path:
    """``folder`` with copies of ``paths``."""
    folder.mkdir(exist_ok=True)
    for path in paths:
        shutil.copy(path, folder)
    return folder


def test_the_segmenters_card(tiny_phantom, tmp_path, monkeypatch):
    card, steps = Card("vs_cochlea_seg", tmp_path / "bundle"), StepsHere(monkeypatch)
    place, truth = card.folder, tiny_phantom / "withheld_labels"
    target, test = tiny_phantom / "training_target", tiny_phantom / "validation"
    copied([*target.glob("*.nii.gz"), min(test.glob("*.nii.gz"))], place / "IMAGES")  # five patients for five folds
    copied([*truth.glob("*/*.nii.gz")], place / "LABELS")
    (place / "TRUTH").symlink_to(place / "LABELS")
    for label in (place / "LABELS").glob("[!.]*"):
        if not (place / "IMAGES" / label.name.replace("_Label", "_hrT2")).exists():
            label.unlink()
    scans = [name.replace("_hrT2", "_Label") for name in files(place / "IMAGES")]
    assert len(scans) == 5

    card.run("train")
    for plan in card.options:  # of the text below it
        card.repeat("train", **STEPS, plans_override=plan[1], output_dir="OTHER_PLAN", configuration="2d")
    assert files(place / "RUN" / "models" / "3d_fullres_fold_all") == ["dataset.json", "model.pt", "plans.json"]
    for fold in FOLDS:
        card.repeat("train", fold=fold, configuration="2d", **SLICES)

    (place / "INPUT").mkdir()
    name = files(place / "IMAGES")[0]  # nnU-Net takes its time
    shutil.copy(place / "IMAGES" / name, place / "INPUT" / name.replace("_hrT2", "_0000"))
    card.run_program("nnUNetv2_predict", "-device", "cpu", "-npp", "0", "-nps", "0")
    assert [file for file in files(place / "OUTPUT") if file.endswith(".nii.gz")] == [scans[0].replace("_Label", "")]

    card.run("inference")
    assert files(place / "OUT") == scans
    shutil.rmtree(place / "OUT")
    card.run("find_best")
    card.run("ensemble")
    assert files(place / "OUT") == scans
    card.repeat("ensemble", uncertainty=True)
    assert len(files(place / "OUT")) == 3 * len(scans)

    shutil.move(place / "RUN", place / "RUN_OF_FOLDS")
    copied([*(tiny_phantom / "training_source").glob("*.nii.gz")], place / "TRANSLATED")  # ceT1 stands in for them
    (place / "HRT2").symlink_to(target)
    card.run("self_training")
    assert steps.begun == ["train", "find_best", "ensemble"]
    assert (place / "RUN" / "rounds.csv").is_file()

    card.run("evaluate")
    scores = pd.read_csv(place / "SCORES" / "scores.csv")
    assert sorted(set(scores["case"])) == [name.removesuffix("_Label.nii.gz") for name in scans]
    assert card.done == card.commands


def test_the_translators_card(tiny_phantom, tmp_path):
    card = Card("tanq_translation", tmp_path / "bundle")
    place, source = card.folder, tiny_phantom / "training_source"
    (place / "CROSSMODA").symlink_to(tiny_phantom)
    (place / "SCANS").symlink_to(source)
    card.run("train")
    card.run("inference")
    for scan in sorted(source.glob("*_ceT1.nii.gz")):
        translation = nib.load(place / "PSEUDO" / scan.name.replace("_ceT1", "_hrT2"))
        assert translation.shape == nib.load(scan).shape
        values = np.asarray(translation.dataobj)
        assert 0 <= values.min() < values.max() <= 1
    assert card.done == card.commands
